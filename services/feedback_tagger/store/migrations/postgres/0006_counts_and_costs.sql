-- What a chunk came to, kept beside it: a report on a run adds up its chunks and never reads its rows.
alter table customer_feedback add column chunk_no integer;

alter table feedback_run add column quote text not null default '';

alter table feedback_chunk
    add column failed integer not null default 0,
    add column throttles integer not null default 0,
    add column cache_read_tokens bigint not null default 0,
    add column cache_write_tokens bigint not null default 0,
    add column nano_usd bigint not null default 0,
    add column unpriced_calls integer not null default 0;

-- Rows stored by the chunk, by the model's label.
create table feedback_chunk_label (
    run_id text not null,
    chunk_no integer not null,
    label text not null,
    row_count integer not null,
    primary key (run_id, chunk_no, label)
);

-- Rows of a chunk that was done all the same.
create table feedback_failed_row (
    run_id text not null,
    chunk_no integer not null,
    line_no integer not null,
    reason text not null,
    primary key (run_id, chunk_no, line_no)
);

create table feedback_agreement (
    run_id text not null,
    chunk_no integer not null,
    rows_per_prompt integer not null,
    checked integer not null,
    agreed integer not null,
    primary key (run_id, chunk_no, rows_per_prompt)
);
