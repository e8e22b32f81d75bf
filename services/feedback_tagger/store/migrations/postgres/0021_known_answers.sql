-- Of a chunk's stored rows, those whose answer took no model.
alter table feedback_chunk add column known integer not null default 0;
