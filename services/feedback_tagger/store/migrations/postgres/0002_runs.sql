-- Runs, their chunks, and what makes a row itself. A row and the chunk it came in commit in one transaction.
create table feedback_run (
    run_id text primary key,
    bucket text not null,
    object_key text not null,
    task text not null,
    sequencers text[] not null default '{}',
    rows_per_chunk integer not null,
    status text not null default 'open' check (status in ('open', 'complete', 'partial', 'failed')),
    revision integer not null default 1,
    encoding text not null default '',
    date_order text not null default '',
    problem text not null default '',
    rows_read bigint not null default 0,
    rows_rejected bigint not null default 0,
    chunks_sent integer not null default 0,
    total_chunks integer,
    started_at timestamptz not null default now(),
    reported_at timestamptz not null default '-infinity',
    finished_at timestamptz,
    announcer_until timestamptz,
    announced_revision integer not null default 0
);
create index feedback_run_in_work on feedback_run (run_id) where status = 'open' or announced_revision < revision;

create table feedback_chunk (
    run_id text not null references feedback_run (run_id),
    chunk_no integer not null,
    state text not null check (state in ('done', 'dead')),
    reason text not null default '',
    lines integer[] not null default '{}',
    row_count integer not null,
    stored integer not null default 0,
    duplicates integer not null default 0,
    calls integer not null default 0,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    ended_at timestamptz not null default now(),
    primary key (run_id, chunk_no)
);

-- run_id has no foreign key: the check would lock the one row of the run for each of a million rows.
alter table customer_feedback add column row_identity text;
alter table customer_feedback add column run_id text;
alter table customer_feedback add column line_no integer;
alter table customer_feedback add column extra jsonb;
-- Rows that were there before have no identity, and any number of them may have none.
create unique index customer_feedback_identity on customer_feedback (row_identity);
create index customer_feedback_run_label on customer_feedback (run_id, label_llm);
create index customer_feedback_ref on customer_feedback (ref_id);
