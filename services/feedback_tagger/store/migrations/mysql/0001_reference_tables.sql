-- The reference's two tables, so that its rows can be moved in. Times are UTC. Text compares by its code points, so that
-- names and ids that differ in case or accents stay apart, as they do on PostgreSQL.
create table if not exists customer_feedback (
    id bigint not null auto_increment primary key,
    product_name varchar(255),
    store varchar(20),
    ref_id varchar(100),
    stars varchar(5),
    title varchar(255),
    feedback mediumtext not null,
    label_llm varchar(255),
    create_date datetime(6) default current_timestamp(6),
    last_updated_time datetime(6) default current_timestamp(6),
    label_post_processing varchar(255),
    label_correction varchar(255),
    execution_id text
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

create table if not exists customer_feedback_category (
    id bigint not null auto_increment primary key,
    category_name varchar(255),
    category_vector json,
    last_updated_time datetime(6) default current_timestamp(6),
    deleted boolean default false
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
