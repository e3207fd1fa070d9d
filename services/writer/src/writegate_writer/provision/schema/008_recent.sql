-- The last command that a writer saw applied of each type and version, as it came: what a changed contract is tried on
-- (`writegate check`). A sample, written once a minute: a version that comes seldom may be missed for a while.
create table writegate.recent (
    service text not null,
    task    text not null,
    version int not null,
    id      text not null,
    key     text,
    raw     bytea not null,                      -- its fields, byte for byte
    seen_at timestamptz not null default clock_timestamp(),
    primary key (task, version)
);
