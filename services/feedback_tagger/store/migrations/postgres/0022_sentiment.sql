-- What rows say about aspects: a record for each aspect that a row judges, or one without an aspect.
create table feedback_sentiment (
    id bigint generated always as identity primary key,
    row_identity text not null,
    part integer not null,
    execution_id text,
    run_id text,
    chunk_no integer,
    line_no integer,
    ref_id varchar(100),
    create_date timestamptz not null default now(),
    last_updated_time timestamptz not null default now(),
    product_name varchar(255),
    store varchar(20),
    aspect varchar(40),
    polarity varchar(10) not null check (polarity in ('positive', 'negative', 'mixed', 'none', 'unknown')),
    -- The share of a row's answers that say so; null where it was asked once.
    confidence numeric(4, 3) check (confidence between 0 and 1),
    check ((aspect is null) = (polarity in ('none', 'unknown'))),
    unique (row_identity, part)
);
create index feedback_sentiment_ref on feedback_sentiment (ref_id);

-- Aspects of the latest row of a reference id; a row without one stands for itself.
create view feedback_sentiment_latest as
select
    id, record.row_identity, ref_id, product_name, store, aspect, polarity, confidence, create_date,
    date_trunc('month', create_date at time zone 'UTC')::date as month,
    run_id
from feedback_sentiment as record
join (
    select distinct on (coalesce(nullif(ref_id, ''), 'row ' || row_identity)) row_identity
    from feedback_sentiment
    where part = 1
    order by coalesce(nullif(ref_id, ''), 'row ' || row_identity), create_date desc, id desc
) as latest on latest.row_identity = record.row_identity;

create view feedback_sentiment_by_aspect as
select
    aspect,
    count(*) as feedback_count,
    count(*) filter (where polarity = 'positive') as positive_count,
    count(*) filter (where polarity = 'negative') as negative_count,
    count(*) filter (where polarity = 'mixed') as mixed_count,
    round(count(*) filter (where polarity = 'negative')::numeric / count(*), 4) as negative_share,
    round(avg(confidence), 4) as average_confidence
from feedback_sentiment_latest
where aspect is not null
group by aspect;

create view feedback_sentiment_by_month as
select month, aspect, polarity, count(*) as feedback_count, round(avg(confidence), 4) as average_confidence
from feedback_sentiment_latest
where aspect is not null
group by month, aspect, polarity;
