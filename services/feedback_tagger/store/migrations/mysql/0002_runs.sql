-- Runs, their chunks, and what makes a row itself. A row and the chunk it came in commit in one transaction.
create table feedback_run (
    run_id varchar(100) not null primary key,
    bucket varchar(255) not null,
    object_key text not null,
    task varchar(100) not null,
    rows_per_chunk int not null,
    tokens_per_chunk int not null default 0,
    cuts json not null,
    status varchar(20) not null default 'open',
    revision int not null default 1,
    encoding varchar(100) not null default '',
    date_order text not null,
    problem text not null,
    quote text not null,
    rows_read bigint not null default 0,
    rows_rejected bigint not null default 0,
    chunks_sent int not null default 0,
    total_chunks int,
    started_at datetime(6) not null default current_timestamp(6),
    reported_at datetime(6),
    finished_at datetime(6),
    announcer_until datetime(6),
    announced_revision int not null default 0,
    key feedback_run_in_work (status, announced_revision),
    check (status in ('open', 'complete', 'partial', 'failed'))
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- Every upload of a run's object, the first included.
create table feedback_upload (
    run_id varchar(100) not null,
    sequencer varchar(200) not null,
    primary key (run_id, sequencer)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- No foreign key: InnoDB would hold a lock on the one row of the run for each of its chunks.
create table feedback_chunk (
    run_id varchar(100) not null,
    chunk_no int not null,
    state varchar(10) not null,
    reason text not null,
    `lines` json not null,
    row_count int not null,
    stored int not null default 0,
    duplicates int not null default 0,
    failed int not null default 0,
    calls int not null default 0,
    throttles int not null default 0,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    cache_read_tokens bigint not null default 0,
    cache_write_tokens bigint not null default 0,
    nano_usd bigint not null default 0,
    unpriced_calls int not null default 0,
    ended_at datetime(6) not null default current_timestamp(6),
    primary key (run_id, chunk_no),
    check (state in ('done', 'dead'))
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- Rows stored by the chunk, by the model's label.
create table feedback_chunk_label (
    run_id varchar(100) not null,
    chunk_no int not null,
    label varchar(255) not null,
    row_count int not null,
    primary key (run_id, chunk_no, label)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- Rows of a chunk that was done all the same.
create table feedback_failed_row (
    run_id varchar(100) not null,
    chunk_no int not null,
    line_no int not null,
    reason text not null,
    primary key (run_id, chunk_no, line_no)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

create table feedback_agreement (
    run_id varchar(100) not null,
    chunk_no int not null,
    rows_per_prompt int not null,
    checked int not null,
    agreed int not null,
    primary key (run_id, chunk_no, rows_per_prompt)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- Rows that were there before have no identity, and any number of them may have none.
alter table customer_feedback
    add column row_identity varchar(255),
    add column run_id varchar(100),
    add column chunk_no int,
    add column line_no int,
    add column extra json,
    add unique index customer_feedback_identity (row_identity),
    add index customer_feedback_run_label (run_id, label_llm),
    add index customer_feedback_ref (ref_id);
