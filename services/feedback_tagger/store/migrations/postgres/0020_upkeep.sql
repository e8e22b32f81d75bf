-- Where an open run was when the sweeper first found it there, and what it waits for.
create table feedback_upkeep (
    run_id text primary key,
    seen text not null default '',
    since timestamptz not null default now(),
    waiting_until timestamptz
);
