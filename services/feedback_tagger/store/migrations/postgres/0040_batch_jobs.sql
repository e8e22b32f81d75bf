-- Parts of files that go to the model as batch jobs. A part's objects lie under its prefix and never change.
create table feedback_batch_job (
    run_id text not null,
    part integer not null,
    state text not null default 'written' check (state in ('written', 'submitted', 'ended')),
    model_id text not null,
    prefix text not null,
    first_chunk integer not null,
    chunks integer not null,
    last_place bigint not null,
    records integer not null,
    job_arn text not null default '',
    status text not null default '',
    reason text not null default '',
    processed integer not null default 0,
    succeeded integer not null default 0,
    failed integer not null default 0,
    merged integer not null default 0,
    asked_again integer not null default 0,
    created_at timestamptz not null default now(),
    submitted_at timestamptz,
    next_look_at timestamptz not null default now(),
    ended_at timestamptz,
    primary key (run_id, part)
);
create index feedback_batch_job_in_work on feedback_batch_job (next_look_at) where state <> 'ended';
