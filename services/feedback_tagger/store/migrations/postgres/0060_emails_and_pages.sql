-- Where e-mails belong: one record each. Their texts are not kept.
create table feedback_email (
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
    department varchar(40) not null,
    priority varchar(10) not null check (priority in ('low', 'normal', 'high', 'urgent')),
    language varchar(3) not null,
    subject varchar(255),
    sender_domain varchar(255),
    message_id varchar(255),
    -- As the sender's header says; create_date is that, or where it says nothing the moment of writing.
    sent_at timestamptz,
    attachments jsonb not null,
    unique (row_identity, part)
);
create index feedback_email_department on feedback_email (department, create_date);

create view feedback_email_by_department as
select
    department,
    count(*) as email_count,
    count(*) filter (where priority = 'low') as low_count,
    count(*) filter (where priority = 'normal') as normal_count,
    count(*) filter (where priority = 'high') as high_count,
    count(*) filter (where priority = 'urgent') as urgent_count,
    count(*) filter (where jsonb_array_length(attachments) > 0) as with_attachments_count
from feedback_email
group by department;

create view feedback_email_by_month as
select
    date_trunc('month', create_date at time zone 'UTC')::date as month, department, priority, language,
    count(*) as email_count
from feedback_email
group by 1, 2, 3, 4;

-- What product pages say: a record for each fact, or one without a name where a page says nothing.
create table product_fact (
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
    url varchar(2000),
    name varchar(20) check (name in ('title', 'brand', 'price', 'currency', 'availability', 'description')),
    value varchar(2000),
    source varchar(10) check (source in ('json-ld', 'microdata', 'opengraph', 'model')),
    evidence varchar(200),
    check ((name is null) = (value is null) and (name is null) = (source is null)),
    unique (row_identity, part)
);
create index product_fact_name on product_fact (name, source);

-- A page each time it was read with other facts or another text.
create view product_page_reading as
select
    row_identity,
    max(url) as url,
    max(value) filter (where name = 'title') as title,
    max(value) filter (where name = 'brand') as brand,
    (max(value) filter (where name = 'price'))::numeric(18, 4) as price,
    max(value) filter (where name = 'currency') as currency,
    max(value) filter (where name = 'availability') as availability,
    max(value) filter (where name = 'description') as description,
    count(*) filter (where source <> 'model') as marked_count,
    count(*) filter (where source = 'model') as model_count,
    min(create_date) as read_at,
    max(run_id) as run_id,
    max(id) as last_id
from product_fact
group by row_identity;

-- A page as it was read last; one without an address stands for itself.
create view product_page as
select distinct on (coalesce(url, row_identity))
    row_identity, url, title, brand, price, currency, availability, description, marked_count, model_count, read_at,
    run_id
from product_page_reading
order by coalesce(url, row_identity), read_at desc, last_id desc;

create view product_fact_by_source as
select name, source, count(*) as fact_count
from product_fact
where name is not null
group by name, source;
