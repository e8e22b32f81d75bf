-- Unknown share, accuracy and cost, for the dashboards.
create view feedback_unknown_by_month as
select
    month,
    count(*) as feedback_count,
    count(*) filter (where label = 'unknown') as unknown_count,
    round(count(*) filter (where label = 'unknown')::numeric / count(*), 4) as unknown_share
from feedback_latest
group by month;

-- Of the rows that a person has corrected, how often the label before was the person's. People correct what they doubt,
-- so this is a floor of the accuracy over all rows unless corrections are made on a random sample.
create view feedback_accuracy as
select
    date_trunc('month', create_date at time zone 'UTC')::date as month,
    coalesce(nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown') as label_before,
    count(*) as corrected_count,
    count(*) filter (
        where coalesce(nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown') = label_correction
    ) as agreed_count
from customer_feedback
where nullif(label_correction, '') is not null
group by 1, 2;

create view feedback_run_summary as
select
    run.run_id,
    run.object_key,
    run.task,
    run.status,
    run.revision,
    run.problem,
    run.started_at,
    run.finished_at,
    date_trunc('month', run.started_at at time zone 'UTC')::date as month,
    run.rows_read,
    run.rows_rejected,
    coalesce(sum(chunk.stored), 0)::bigint as rows_stored,
    coalesce(sum(chunk.duplicates), 0)::bigint as rows_duplicate,
    coalesce(sum(case when chunk.state = 'dead' then chunk.row_count else chunk.failed end), 0)::bigint as rows_failed,
    coalesce(sum(chunk.calls), 0)::bigint as calls,
    coalesce(sum(chunk.throttles), 0)::bigint as throttles,
    coalesce(sum(chunk.input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(chunk.output_tokens), 0)::bigint as output_tokens,
    coalesce(sum(chunk.unpriced_calls), 0)::bigint as unpriced_calls,
    (coalesce(sum(chunk.nano_usd), 0) / 1000000000)::numeric(20, 9) as cost_usd
from feedback_run as run
left join feedback_chunk as chunk on chunk.run_id = run.run_id
group by run.run_id;

create view feedback_cost_by_month as
select
    month,
    task,
    count(*) as run_count,
    sum(rows_stored)::bigint as rows_stored,
    sum(unpriced_calls)::bigint as unpriced_calls,
    sum(cost_usd)::numeric(20, 9) as cost_usd,
    (sum(cost_usd) * 1000000 / nullif(sum(rows_stored), 0))::numeric(20, 6) as cost_usd_per_million_rows
from feedback_run_summary
group by month, task;
