-- What became of tickets: a row for each status version that was told. Rows are never changed, so notifications that
-- come twice or late undo nothing; the highest version of a ticket counts.
create table ticket_outcome (
    ticket_id varchar(255) not null,
    version int not null,
    state varchar(100) not null,
    outcome varchar(100) not null,
    employee varchar(255),
    owner varchar(255),
    resolver_group varchar(255),
    told_at datetime(6) not null,
    primary key (ticket_id, version)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- One row a ticket. Its month is that of its first news, so that later ones do not move it.
create or replace view ticket_outcomes as
select
    ticket_id,
    version,
    state,
    outcome,
    employee,
    owner,
    resolver_group,
    first_told_at,
    told_at,
    cast(date_format(first_told_at, '%Y-%m-01') as date) as month
from (
    select
        ticket_outcome.*,
        min(told_at) over (partition by ticket_id) as first_told_at,
        row_number() over (partition by ticket_id order by version desc) as place
    from ticket_outcome
) as ranked
where place = 1;

create or replace view ticket_outcomes_by_month as
select month, outcome, state, count(*) as ticket_count
from ticket_outcomes
group by month, outcome, state;
