-- Names are compared without case and outer blanks; a deleted name may come back as a new row.
create unique index customer_feedback_category_name
    on customer_feedback_category (lower(btrim(category_name))) where not deleted;

insert into customer_feedback_category (category_name)
select name
from (values
    (1, 'Application issues'),
    (2, 'Cloud backup issues'),
    (3, 'Payment'),
    (4, 'Package shipment'),
    (5, 'Hardware failures')
) as defaults (place, name)
where not exists (select from customer_feedback_category)
order by place;
