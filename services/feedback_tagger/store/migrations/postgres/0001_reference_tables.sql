-- The reference's two tables, so that its rows can be moved in or its database be taken over as it stands.
create table if not exists customer_feedback (
    id serial primary key,
    product_name varchar(255),
    store varchar(20),
    ref_id varchar(100),
    stars varchar(5),
    title varchar(255),
    feedback text not null,
    label_llm varchar(255),
    create_date timestamptz default now(),
    last_updated_time timestamptz default now(),
    label_post_processing varchar(255),
    label_correction varchar(255),
    execution_id text
);

create table if not exists customer_feedback_category (
    id serial primary key,
    category_name varchar(255),
    category_vector real[],
    last_updated_time timestamptz default now(),
    deleted boolean default false
);
