-- A proposal that was split is merged into none; its parts name it. parts has, as a JSON list, how many texts each of
-- two subjects would have that it seemed to hold when it had checked_texts; an empty list: it is one subject.
alter table feedback_proposal
    add column part_of bigint,
    add column checked_texts integer not null default 0,
    add column parts varchar(100) not null default '';
