-- Writegate's own tables. Run once, by the owner; later changes are later files.

create schema writegate;

-- One row per domain: who applies it now (owner, epoch, until when), and the fence: every transaction of a domain locks
-- its row first, and goes on only if the epoch is the one it was given.
create table writegate.domain (
    name        text primary key,
    tables      text[] not null,
    reason      text not null,                   -- why these lanes are one domain, for people
    owner       text,
    epoch       bigint not null default 0,
    lease_until timestamptz not null default '-infinity'
) with (fillfactor = 50);                        -- renewed every second or two: leave room to do that in the page

create table writegate.lane (
    service text not null,
    lane    int not null,
    domain  text not null references writegate.domain,
    primary key (service, lane)
);

-- One row per transaction that changed something.
create table writegate.batch (
    id           bigint generated always as identity primary key,
    domain       text not null,
    service      text not null,
    writer       text not null,
    xid          bigint not null,
    commands     int not null,
    started_at   timestamptz not null,
    committed_at timestamptz                     -- the last thing before COMMIT
);
create index batch_committed_at on writegate.batch using brin (committed_at);

-- A handler may run any SQL, COMMIT too. It would keep the ledger's rows without the rest of their effect: a batch that
-- the writer itself has not ended cannot be committed. Checked when the transaction ends, once a batch.
create function writegate.require_end_of_batch() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from writegate.batch where id = new.id and committed_at is null) then
        raise exception 'a handler tried to commit: only the writer ends its transaction';
    end if;
    return null;
end $$;
create constraint trigger require_end_of_batch after insert on writegate.batch
    deferrable initially deferred for each row execute function writegate.require_end_of_batch();

-- Every command id that was decided, in the transaction that decided it. About 128 bytes a row with its index.
create table writegate.ledger (
    day     date not null,
    service text not null,
    id      uuid not null,                       -- the command id, or a digest of one that is not a UUID
    outcome char not null check (outcome in ('a', 'p')),   -- applied, parked
    hash    bigint not null,                     -- of the content: the same id with other content is an error
    batch   bigint not null,
    primary key (service, id, day)
) partition by range (day);

-- Rejected for good, kept until a person decides.
create table writegate.parked (
    seq       bigint generated always as identity primary key,
    parked_at timestamptz not null default clock_timestamp(),
    service   text not null,
    lane      int,
    id        text not null,
    task      text,
    version   int,
    key       text,
    parks_key boolean not null default false,    -- later commands of its key wait for a decision about this one
    hash      bigint not null,
    cause     text not null,                     -- a short word for grouping
    sqlstate  text,
    message   text not null,
    origin    text,                              -- the broker user that published it
    headers   jsonb not null,
    raw       bytea not null,                    -- the command's own body, byte for byte
    state     text not null default 'parked' check (state in ('parked', 'replayed', 'dropped')),
    unique (service, id, hash)                   -- a redelivery does not park twice
);
create index parked_key on writegate.parked (service, lane) where state = 'parked' and parks_key;
create index parked_cause on writegate.parked (service, cause) where state = 'parked';

-- Not now: kept in order, replayed by the domain's owner.
create table writegate.deferred (
    seq         bigint generated always as identity primary key,
    deferred_at timestamptz not null default clock_timestamp(),
    domain      text not null references writegate.domain,
    service     text not null,
    lane        int not null,
    id          text not null,
    ledger_id   uuid not null,                   -- its id as the ledger would have it
    task        text not null,
    version     int not null,
    key         text,
    hash        bigint not null,
    reason      text not null,
    not_after   timestamptz,
    origin      text,
    reply_to    text,                            -- who wants to know when it is decided
    headers     jsonb not null,
    raw         bytea not null,
    state       text not null default 'deferred' check (state in ('deferred', 'applied', 'parked')),
    unique (service, ledger_id)
);
create index deferred_waiting on writegate.deferred (domain, seq) where state = 'deferred';

-- Commands about to be applied alone, because something they were in has ended writers before.
create table writegate.suspect (
    service text not null,
    id      uuid not null,
    writer  text not null,                       -- who noted it last
    times   int not null default 1,              -- by how many writers, one after the other
    primary key (service, id)
);

create table writegate.hold (
    target  text primary key,
    reason  text not null,
    holder  text not null,
    since   timestamptz not null default clock_timestamp(),
    until   timestamptz
);

-- Commands that handlers emitted, waiting for the broker's confirm.
create table writegate.outbox (
    seq     bigint generated always as identity primary key,
    domain  text not null,
    service text not null,                       -- where it goes
    task    text not null,
    id      uuid not null,
    version int not null,
    key     text,
    parent  text,
    origin  text,
    fields  bytea not null
);
create index outbox_domain on writegate.outbox (domain, seq);

create table writegate.audit (
    seq    bigint generated always as identity primary key,
    at     timestamptz not null default clock_timestamp(),
    who    text not null,
    action text not null,
    target text not null,
    detail jsonb not null default '{}'
);

create table writegate.history (
    at     timestamptz not null,
    name   text not null,
    labels jsonb not null default '{}',
    value  double precision not null
);
create index history_at on writegate.history using brin (at);

-- What ran, by whom: `apply` keeps this.
create table writegate.migration (
    service    text not null,                    -- 'writegate' for this schema
    name       text not null,
    hash       text not null,
    applied_at timestamptz not null default clock_timestamp(),
    primary key (service, name)
);

-- The fence. Raises WG001 when the domain is no longer this owner's. Renews the lease on the way, so that a busy owner
-- needs no other sign of life, but only when half of it is used up: a row version per batch would be waste.
create function writegate.fence(domain_name text, held_epoch bigint, lease interval) returns void
language plpgsql as $$
declare
    until timestamptz;
begin
    select lease_until into until from writegate.domain where name = domain_name and epoch = held_epoch for update;
    if not found then
        raise exception 'domain % is not held with epoch % any more', domain_name, held_epoch using errcode = 'WG001';
    end if;
    if until < clock_timestamp() + lease / 2 then
        update writegate.domain set lease_until = clock_timestamp() + lease where name = domain_name;
    end if;
end $$;

-- Partitions are made ahead and dropped after the retention, so deciding never waits for that.
create function writegate.add_ledger_partitions(days_ahead int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    of_day date;
    part text;
    added int := 0;
begin
    for of_day in select generate_series(current_date - 1, current_date + days_ahead, interval '1 day')::date loop
        part := 'ledger_' || to_char(of_day, 'YYYYMMDD');
        if to_regclass('writegate.' || part) is null then
            execute format('create table writegate.%I (like writegate.ledger including all)', part);
            execute format('alter table writegate.ledger attach partition writegate.%I for values from (%L) to (%L)',
                           part, of_day, of_day + 1);
            added := added + 1;
        end if;
    end loop;
    return added;
end $$;
revoke all on function writegate.add_ledger_partitions(int) from public;
select writegate.add_ledger_partitions(7);
