-- What dashboards read. The latest row of a reference id counts; a row without one stands for itself.
create or replace view feedback_latest as
select
    id,
    ref_id,
    product_name,
    store,
    stars,
    case when stars regexp '^[0-9]([.,][0-9]+)?$' then cast(replace(stars, ',', '.') as decimal(6, 3)) end
        as stars_number,
    title,
    feedback,
    coalesce(nullif(label_correction, ''), nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown') as label,
    case
        when nullif(label_correction, '') is not null then 'correction'
        when nullif(label_post_processing, '') is not null then 'post-processing'
        else 'model'
    end as label_source,
    create_date,
    cast(date_format(create_date, '%Y-%m-01') as date) as month,
    run_id
from (
    select
        customer_feedback.*,
        row_number() over (
            partition by coalesce(nullif(ref_id, ''), concat('row ', id))
            order by create_date desc, id desc
        ) as place
    from customer_feedback
) as ranked
where place = 1;

create or replace view feedback_by_category as
select label, count(*) as feedback_count, round(avg(stars_number), 2) as average_stars
from feedback_latest
group by label;

create or replace view feedback_by_month as
select month, label, count(*) as feedback_count
from feedback_latest
group by month, label;

create or replace view feedback_unknown_by_month as
select
    month,
    count(*) as feedback_count,
    cast(sum(label = 'unknown') as signed) as unknown_count,
    round(sum(label = 'unknown') / count(*), 4) as unknown_share
from feedback_latest
group by month;

-- Of the rows that a person has corrected, how often the label before was the person's. People correct what they doubt,
-- so this is a floor of the accuracy over all rows unless corrections are made on a random sample.
create or replace view feedback_accuracy as
select
    cast(date_format(create_date, '%Y-%m-01') as date) as month,
    coalesce(nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown') as label_before,
    count(*) as corrected_count,
    cast(sum(coalesce(nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown') = label_correction) as signed)
        as agreed_count
from customer_feedback
where nullif(label_correction, '') is not null
group by 1, 2;

create or replace view feedback_run_summary as
select
    run.run_id,
    run.object_key,
    run.task,
    run.status,
    run.revision,
    run.problem,
    run.started_at,
    run.finished_at,
    cast(date_format(run.started_at, '%Y-%m-01') as date) as month,
    run.rows_read,
    run.rows_rejected,
    cast(coalesce(sum(chunk.stored), 0) as signed) as rows_stored,
    cast(coalesce(sum(chunk.duplicates), 0) as signed) as rows_duplicate,
    cast(coalesce(sum(case when chunk.state = 'dead' then chunk.row_count else chunk.failed end), 0) as signed)
        as rows_failed,
    cast(coalesce(sum(chunk.calls), 0) as signed) as calls,
    cast(coalesce(sum(chunk.throttles), 0) as signed) as throttles,
    cast(coalesce(sum(chunk.input_tokens), 0) as signed) as input_tokens,
    cast(coalesce(sum(chunk.output_tokens), 0) as signed) as output_tokens,
    cast(coalesce(sum(chunk.unpriced_calls), 0) as signed) as unpriced_calls,
    cast(coalesce(sum(chunk.nano_usd), 0) / 1000000000 as decimal(20, 9)) as cost_usd
from feedback_run as run
left join feedback_chunk as chunk on chunk.run_id = run.run_id
group by
    run.run_id, run.object_key, run.task, run.status, run.revision, run.problem, run.started_at, run.finished_at,
    run.rows_read, run.rows_rejected;

create or replace view feedback_cost_by_month as
select
    month,
    task,
    count(*) as run_count,
    cast(sum(rows_stored) as signed) as rows_stored,
    cast(sum(unpriced_calls) as signed) as unpriced_calls,
    cast(sum(cost_usd) as decimal(20, 9)) as cost_usd,
    cast(sum(cost_usd) * 1000000 / nullif(sum(rows_stored), 0) as decimal(20, 6)) as cost_usd_per_million_rows
from feedback_run_summary
group by month, task;
