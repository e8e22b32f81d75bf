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
    by_label mediumtext not null,
    started_at datetime(6) not null default current_timestamp(6),
    finished_at datetime(6)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

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
    corrected_at datetime(6) not null default current_timestamp(6),
    primary key (upload_id, revision, row_id)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
create index feedback_correction_row on feedback_correction (row_id, corrected_at);

create table feedback_correction_reject (
    upload_id varchar(100) not null,
    revision integer not null,
    line_no integer not null,
    column_name varchar(255) not null,
    reason text not null,
    primary key (upload_id, revision, line_no)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- Which corrected rows stand in prompts as examples, by row and label (JSON): no text is kept a second time. A run asks
-- all its prompts with the version that it began with.
create table feedback_example_set (
    version integer not null auto_increment primary key,
    digest varchar(64) not null unique,
    content mediumtext not null,
    created_at datetime(6) not null default current_timestamp(6)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
create table feedback_run_example (
    run_id varchar(100) not null,
    tenant varchar(255) not null,
    version integer not null,
    primary key (run_id, tenant)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

create index customer_feedback_corrected on customer_feedback (label_correction, id);

-- Rows that people have corrected, by what they were labelled and what they are. What feedback_accuracy says of its
-- figures holds for all of these.
create or replace view feedback_confusion as
select
    cast(date_format(create_date, '%Y-%m-01') as date) as month,
    coalesce(nullif(label_post_processing, ''), nullif(label_llm, ''), 'unknown') as label_before,
    label_correction,
    count(*) as corrected_count
from customer_feedback
where label_correction <> ''
group by 1, 2, 3;

-- said: rows that the tagger labelled so; right: rows that people did; agreed: both.
create or replace view feedback_accuracy_by_category_and_month as
select
    month,
    category,
    cast(sum(said_count) as signed) as said_count,
    cast(sum(right_count) as signed) as right_count,
    cast(sum(agreed_count) as signed) as agreed_count,
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

create or replace view feedback_accuracy_by_category as
select
    category,
    cast(sum(said_count) as signed) as said_count,
    cast(sum(right_count) as signed) as right_count,
    cast(sum(agreed_count) as signed) as agreed_count,
    round(sum(agreed_count) / nullif(sum(said_count), 0), 4) as precision_share,
    round(sum(agreed_count) / nullif(sum(right_count), 0), 4) as recall_share
from feedback_accuracy_by_category_and_month
group by category;

create or replace view feedback_accuracy_by_month as
select
    month,
    cast(sum(right_count) as signed) as corrected_count,
    cast(sum(agreed_count) as signed) as agreed_count,
    round(sum(agreed_count) / nullif(sum(right_count), 0), 4) as accuracy
from feedback_accuracy_by_category_and_month
group by month;
