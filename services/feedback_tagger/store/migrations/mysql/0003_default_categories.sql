-- Names are compared without case and outer blanks; a deleted name may come back as a new row.
alter table customer_feedback_category
    add column name_in_use varchar(255) character set utf8mb4 collate utf8mb4_bin
        generated always as (case when coalesce(deleted, false) then null else lower(trim(category_name)) end) stored,
    add unique index customer_feedback_category_name (name_in_use);

insert into customer_feedback_category (category_name)
select name
from (
    select 1 as place, 'Application issues' as name
    union all select 2, 'Cloud backup issues'
    union all select 3, 'Payment'
    union all select 4, 'Package shipment'
    union all select 5, 'Hardware failures'
) as defaults
where not exists (select 1 from customer_feedback_category as there)
order by place;
