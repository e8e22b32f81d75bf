-- What a part's job may cost, in billionths of a dollar, and the day whose budget it was taken from.
alter table feedback_batch_job add column nano_usd bigint not null default 0;
alter table feedback_batch_job add column spent_day text not null default '';
