-- Where e-mails belong: one record each. Their texts are not kept.
create table feedback_email (
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
    department varchar(40) not null,
    priority varchar(10) not null,
    language varchar(3) not null,
    subject varchar(255),
    sender_domain varchar(255),
    message_id varchar(255),
    -- As the sender's header says; create_date is that, or where it says nothing the moment of writing.
    sent_at datetime(6),
    attachments json not null,
    unique key feedback_email_row (row_identity, part),
    key feedback_email_department (department, create_date),
    check (priority in ('low', 'normal', 'high', 'urgent'))
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

create or replace view feedback_email_by_department as
select
    department,
    count(*) as email_count,
    cast(sum(priority = 'low') as signed) as low_count,
    cast(sum(priority = 'normal') as signed) as normal_count,
    cast(sum(priority = 'high') as signed) as high_count,
    cast(sum(priority = 'urgent') as signed) as urgent_count,
    cast(sum(json_length(attachments) > 0) as signed) as with_attachments_count
from feedback_email
group by department;

create or replace view feedback_email_by_month as
select
    cast(date_format(create_date, '%Y-%m-01') as date) as month, department, priority, language,
    count(*) as email_count
from feedback_email
group by 1, 2, 3, 4;

-- What product pages say: a record for each fact, or one without a name where a page says nothing.
create table product_fact (
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
    url varchar(2000),
    name varchar(20),
    value varchar(2000),
    source varchar(10),
    evidence varchar(200),
    unique key product_fact_row (row_identity, part),
    key product_fact_name (name, source),
    check (name in ('title', 'brand', 'price', 'currency', 'availability', 'description')),
    check (source in ('json-ld', 'microdata', 'opengraph', 'model')),
    check ((name is null) = (value is null) and (name is null) = (source is null))
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- A page each time it was read with other facts or another text.
create or replace view product_page_reading as
select
    row_identity,
    max(url) as url,
    max(case when name = 'title' then value end) as title,
    max(case when name = 'brand' then value end) as brand,
    cast(max(case when name = 'price' then value end) as decimal(18, 4)) as price,
    max(case when name = 'currency' then value end) as currency,
    max(case when name = 'availability' then value end) as availability,
    max(case when name = 'description' then value end) as description,
    count(case when source <> 'model' then 1 end) as marked_count,
    count(case when source = 'model' then 1 end) as model_count,
    min(create_date) as read_at,
    max(run_id) as run_id,
    max(id) as last_id
from product_fact
group by row_identity;

-- A page as it was read last; one without an address stands for itself.
create or replace view product_page as
select
    row_identity, url, title, brand, price, currency, availability, description, marked_count, model_count, read_at,
    run_id
from (
    select
        reading.*,
        row_number() over (partition by coalesce(url, row_identity) order by read_at desc, last_id desc) as place
    from product_page_reading as reading
) as latest
where place = 1;

create or replace view product_fact_by_source as
select name, source, count(*) as fact_count
from product_fact
where name is not null
group by name, source;
