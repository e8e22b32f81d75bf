-- Where an open run was when the sweeper first found it there, and what it waits for.
create table feedback_upkeep (
    run_id varchar(100) not null primary key,
    seen varchar(255) not null default '',
    since datetime(6) not null default current_timestamp(6),
    waiting_until datetime(6)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
