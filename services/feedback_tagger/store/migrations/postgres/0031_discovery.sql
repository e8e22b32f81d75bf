-- Commands of people, each with the one outcome it had.
create table feedback_command (
    command_id varchar(100) primary key,
    kind varchar(100) not null,
    said_by varchar(255) not null,
    principal varchar(255) not null,
    outcome text not null,
    ended_at timestamptz not null default now()
);

-- The one row that every change of the categories locks: their version counts on, and so do discovery's passes.
create table feedback_taxonomy_head (
    head_id integer primary key check (head_id = 1),
    version integer not null,
    pass_no integer not null
);
insert into feedback_taxonomy_head (head_id, version, pass_no) values (1, 1, 0);

-- What happened to categories and proposals, by whom and why. Where the categories changed, they are kept as they were
-- then (JSON), so that every version can be read.
create table feedback_taxonomy_event (
    event_id bigserial primary key,
    version integer not null,
    kind varchar(50) not null,
    said_by varchar(255) not null,
    principal varchar(255) not null default '',
    command_id varchar(100),
    proposal_id bigint,
    category_id bigint,
    name varchar(255) not null default '',
    reason text not null,
    categories text,
    happened_at timestamptz not null default now()
);

create table feedback_proposal (
    proposal_id bigserial primary key,
    state varchar(20) not null check (state in ('proposed', 'accepted', 'rejected', 'merged')),
    pass_no integer not null,
    name varchar(255) not null default '',
    description varchar(500) not null default '',
    model_id varchar(255) not null,
    centroid bytea not null,
    extends_name varchar(255) not null default '',
    near_proposal bigint,
    category_id bigint,
    into_proposal bigint,
    created_at timestamptz not null default now(),
    decided_at timestamptz
);

-- Each text that discovery has seen; looked_at stays null until it was placed, or left over, for the first time.
create table feedback_text (
    text_digest varchar(64) primary key,
    problem varchar(255) not null default '',
    looked_at timestamptz
);
create index feedback_text_new on feedback_text (text_digest) where looked_at is null;

create table feedback_unknown_row (
    row_id bigint primary key,
    text_digest varchar(64) not null
);
create index feedback_unknown_row_text on feedback_unknown_row (text_digest);

-- Each text is embedded once a model: vectors are numbers of four bytes, the least significant first.
create table feedback_embedding (
    text_digest varchar(64) not null,
    model_id varchar(255) not null,
    vector bytea not null,
    tokens integer not null,
    primary key (text_digest, model_id)
);

-- At most one proposal a text, for good; another one only with an event that says why.
create table feedback_membership (
    text_digest varchar(64) primary key,
    proposal_id bigint not null,
    distance double precision not null,
    joined_at timestamptz not null default now()
);
create index feedback_membership_proposal on feedback_membership (proposal_id);

create table feedback_discovery_pass (
    pass_no integer primary key,
    texts integer not null default 0,
    quoted_nano_usd bigint not null default 0,
    embedded integer not null default 0,
    joined integer not null default 0,
    proposed integer not null default 0,
    left_over integer not null default 0,
    calls integer not null default 0,
    throttles integer not null default 0,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    cache_read_tokens bigint not null default 0,
    cache_write_tokens bigint not null default 0,
    nano_usd bigint not null default 0,
    unpriced_calls integer not null default 0,
    begun_at timestamptz not null default now(),
    ended_at timestamptz
);

-- Labels that are being changed, a piece at a time: of a proposal's members, or of all rows with a label.
create table feedback_relabel (
    job_id bigserial primary key,
    proposal_id bigint,
    from_label varchar(255),
    to_label varchar(255) not null,
    after_id bigint not null default 0,
    rows_changed bigint not null default 0,
    opened_at timestamptz not null default now(),
    done_at timestamptz,
    looked_at timestamptz
);

create index customer_feedback_unknown on customer_feedback (id) where label_llm = 'unknown';
