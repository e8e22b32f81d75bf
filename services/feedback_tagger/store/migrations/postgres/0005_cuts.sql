-- How chunks are cut: the limits that a run began with, and where those under way begin and end, so that an ingest that
-- takes over cuts in the same places.
alter table feedback_run
    add column tokens_per_chunk integer not null default 0,
    add column cuts bigint[] not null default '{}';
