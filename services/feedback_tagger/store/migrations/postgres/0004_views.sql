-- What dashboards read. The latest row of a reference id counts; a row without one stands for itself.
create view feedback_latest as
select distinct on (coalesce(nullif(ref_id, ''), 'row ' || id))
    id,
    ref_id,
    product_name,
    store,
    stars,
    case when stars ~ '^[0-9]([.,][0-9]+)?$' then replace(stars, ',', '.')::numeric end as stars_number,
    title,
    feedback,
    coalesce(nullif(label_correction, ''), nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown') as label,
    case
        when nullif(label_correction, '') is not null then 'correction'
        when nullif(label_post_processing, '') is not null then 'post-processing'
        else 'model'
    end as label_source,
    create_date,
    date_trunc('month', create_date at time zone 'UTC')::date as month,
    run_id
from customer_feedback
order by coalesce(nullif(ref_id, ''), 'row ' || id), create_date desc nulls last, id desc;

create view feedback_by_category as
select label, count(*) as feedback_count, round(avg(stars_number), 2) as average_stars
from feedback_latest
group by label;

create view feedback_by_month as
select month, label, count(*) as feedback_count
from feedback_latest
group by month, label;
