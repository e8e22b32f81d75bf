-- What rows say about aspects: a record for each aspect that a row judges, or one without an aspect.
create table feedback_sentiment (
    id bigint not null auto_increment primary key,
    row_identity varchar(255) not null,
    part int not null,
    execution_id text,
    run_id varchar(100),
    chunk_no int,
    line_no int,
    ref_id varchar(100),
    create_date datetime(6) not null default current_timestamp(6),
    last_updated_time datetime(6) not null default current_timestamp(6),
    product_name varchar(255),
    store varchar(20),
    aspect varchar(40),
    polarity varchar(10) not null,
    -- The share of a row's answers that say so; null where it was asked once.
    confidence decimal(4, 3),
    unique key feedback_sentiment_row (row_identity, part),
    key feedback_sentiment_ref (ref_id),
    check (polarity in ('positive', 'negative', 'mixed', 'none', 'unknown')),
    check (confidence between 0 and 1),
    check ((aspect is null) = (polarity in ('none', 'unknown')))
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- Aspects of the latest row of a reference id; a row without one stands for itself.
create or replace view feedback_sentiment_latest as
select
    record.id, record.row_identity, record.ref_id, record.product_name, record.store, record.aspect, record.polarity,
    record.confidence, record.create_date, cast(date_format(record.create_date, '%Y-%m-01') as date) as month,
    record.run_id
from feedback_sentiment as record
join (
    select
        row_identity,
        row_number() over (
            partition by coalesce(nullif(ref_id, ''), concat('row ', row_identity))
            order by create_date desc, id desc
        ) as place
    from feedback_sentiment
    where part = 1
) as latest on latest.row_identity = record.row_identity and latest.place = 1;

create or replace view feedback_sentiment_by_aspect as
select
    aspect,
    count(*) as feedback_count,
    cast(sum(polarity = 'positive') as signed) as positive_count,
    cast(sum(polarity = 'negative') as signed) as negative_count,
    cast(sum(polarity = 'mixed') as signed) as mixed_count,
    round(sum(polarity = 'negative') / count(*), 4) as negative_share,
    round(avg(confidence), 4) as average_confidence
from feedback_sentiment_latest
where aspect is not null
group by aspect;

create or replace view feedback_sentiment_by_month as
select month, aspect, polarity, count(*) as feedback_count, round(avg(confidence), 4) as average_confidence
from feedback_sentiment_latest
where aspect is not null
group by month, aspect, polarity;
