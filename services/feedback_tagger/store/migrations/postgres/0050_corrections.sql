-- Uploads of corrections. How far one is stands here, changed in the transaction of the rows that it went past.
create table feedback_correction_upload (
    upload_id varchar(100) primary key,
    bucket varchar(255) not null,
    object_key text not null,
    principal varchar(255) not null default '',
    sequencers text not null,
    status varchar(20) not null default 'open' check (status in ('open', 'complete', 'partial', 'failed')),
    revision integer not null default 1,
    announced integer not null default 0,
    problem text not null,
    encoding varchar(100) not null default '',
    lines_done integer not null default 0,
    changed integer not null default 0,
    cleared integer not null default 0,
    unchanged integer not null default 0,
    not_found integer not null default 0,
    invalid integer not null default 0,
    by_label text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz
);

-- What each upload said of each row, and what its label was without a person then and its correction before. An empty
-- label_correction took one back.
create table feedback_correction (
    upload_id varchar(100) not null,
    revision integer not null,
    row_id bigint not null,
    line_no integer not null,
    fate varchar(20) not null,
    label_before varchar(255) not null,
    correction_before varchar(255) not null,
    label_correction varchar(255) not null,
    corrected_at timestamptz not null default now(),
    primary key (upload_id, revision, row_id)
);
create index feedback_correction_row on feedback_correction (row_id, corrected_at);

create table feedback_correction_reject (
    upload_id varchar(100) not null,
    revision integer not null,
    line_no integer not null,
    column_name varchar(255) not null,
    reason text not null,
    primary key (upload_id, revision, line_no)
);

-- Which corrected rows stand in prompts as examples, by row and label (JSON): no text is kept a second time. A run asks
-- all its prompts with the version that it began with.
create table feedback_example_set (
    version serial primary key,
    digest varchar(64) not null unique,
    content text not null,
    created_at timestamptz not null default now()
);
create table feedback_run_example (
    run_id varchar(100) not null,
    tenant varchar(255) not null,
    version integer not null,
    primary key (run_id, tenant)
);

create index customer_feedback_corrected on customer_feedback (label_correction, id) where label_correction <> '';

-- Rows that people have corrected, by what they were labelled and what they are. What feedback_accuracy says of its
-- figures holds for all of these.
create view feedback_confusion as
select
    date_trunc('month', create_date at time zone 'UTC')::date as month,
    coalesce(nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown') as label_before,
    label_correction,
    count(*) as corrected_count
from customer_feedback
where label_correction <> ''
group by 1, 2, 3;

-- said: rows that the tagger labelled so; right: rows that people did; agreed: both.
create view feedback_accuracy_by_category_and_month as
select
    month,
    category,
    sum(said_count)::bigint as said_count,
    sum(right_count)::bigint as right_count,
    sum(agreed_count)::bigint as agreed_count,
    round(sum(agreed_count) / nullif(sum(said_count), 0), 4) as precision_share,
    round(sum(agreed_count) / nullif(sum(right_count), 0), 4) as recall_share
from (
    select month, label_before as category, corrected_count as said_count, 0 as right_count, 0 as agreed_count
    from feedback_confusion
    union all
    select
        month,
        label_correction,
        0,
        corrected_count,
        case when lower(trim(label_before)) = lower(trim(label_correction)) then corrected_count else 0 end
    from feedback_confusion
) as both_sides
group by month, category;

create view feedback_accuracy_by_category as
select
    category,
    sum(said_count)::bigint as said_count,
    sum(right_count)::bigint as right_count,
    sum(agreed_count)::bigint as agreed_count,
    round(sum(agreed_count) / nullif(sum(said_count), 0), 4) as precision_share,
    round(sum(agreed_count) / nullif(sum(right_count), 0), 4) as recall_share
from feedback_accuracy_by_category_and_month
group by category;

create view feedback_accuracy_by_month as
select
    month,
    sum(right_count)::bigint as corrected_count,
    sum(agreed_count)::bigint as agreed_count,
    round(sum(agreed_count) / nullif(sum(right_count), 0), 4) as accuracy
from feedback_accuracy_by_category_and_month
group by month;
