-- The gate's figures: a sample every few seconds, for charts and for those who watch. Names and units are listed in
-- shared/adr/0020-metrics.md.

create index history_name on writegate.history (name, at);

-- Takes a sample, unless there is one that is younger than this; whoever else calls it at the same moment takes none.
--
-- All of a sample has one time, a second ago: whatever batch says that it was committed before is committed by now, so
-- that each is counted in one sample. Only batches since the one of a minute ago are looked at, by their numbers: the
-- index on their times knows nothing of what was written since the last vacuum. A batch that took longer than a minute
-- is missed. Hence the settings, too: the planner would read tables whose statistics are old as a whole.
create function writegate.take_sample(every interval) returns void
language plpgsql set enable_bitmapscan = off set enable_seqscan = off as $$
declare
    sampled_at timestamptz;
    before timestamptz;
    first_batch bigint;
begin
    if not pg_try_advisory_xact_lock(hashtext('writegate history')) then
        return;
    end if;
    sampled_at := clock_timestamp() - interval '1 second';
    select max(at) into before from writegate.history where name = 'sampled';
    if before > sampled_at - every then
        return;
    end if;
    select min(value) into first_batch from writegate.history
    where name = 'sampled' and at >= before - interval '1 minute';

    insert into writegate.history (at, name, value)
    select sampled_at, 'sampled', coalesce(max(id), 0) from writegate.batch;

    -- Nothing the first time. A service that committed nothing has no row.
    insert into writegate.history (at, name, labels, value)
    select sampled_at, figure.name, jsonb_build_object('service', b.service),
           figure.value / extract(epoch from sampled_at - before)
    from (select service, sum(commands) as commands, count(*) as commits from writegate.batch
          where id > first_batch and committed_at > before and committed_at <= sampled_at group by service) b
    cross join lateral (values ('commands_per_second', commands), ('commits_per_second', commits)) figure (name, value);

    insert into writegate.history (at, name, labels, value)
    select sampled_at, 'parked_commands', jsonb_build_object('service', service, 'cause', cause), count(*)
    from writegate.parked where state = 'parked' group by service, cause;

    insert into writegate.history (at, name, labels, value)
    select sampled_at, figure.name, jsonb_build_object('service', d.service, 'domain', d.domain), figure.value
    from (select service, domain, count(*) as commands, min(deferred_at) as since from writegate.deferred
          where state = 'deferred' group by service, domain) d
    cross join lateral (values ('deferred_commands', d.commands),
                               ('oldest_deferred_seconds', extract(epoch from clock_timestamp() - d.since)))
        figure (name, value);

    insert into writegate.history (at, name, labels, value)
    select sampled_at, 'unowned_domain', jsonb_build_object('domain', d.name), 1 from writegate.domain d
    where (d.owner is null or d.lease_until < clock_timestamp())
          and exists (select from writegate.lane l where l.domain = d.name);

    -- A type that is broken is tried again as soon as its hold is over, and held again: in between it is none the better.
    insert into writegate.history (at, name, labels, value)
    select sampled_at, 'held_type', jsonb_build_object('task', target), 1 from writegate.hold
    where holder = 'writer' and until > clock_timestamp() - interval '10 seconds';

    -- What people hold. A target may name a key: only its kind is told.
    insert into writegate.history (at, name, labels, value)
    select sampled_at, 'holds', jsonb_build_object('kind', kind), count(*)
    from (select case when target like 'table:%' then 'table' when target like '% key=%' then 'key'
                      when target ~ '\.[0-9]+$' then 'lane' when target like '%.%' then 'type' else 'service' end as kind
          from writegate.hold where holder <> 'writer' and (until is null or until > clock_timestamp())) h
    group by kind;

    insert into writegate.history (at, name, value)
    select sampled_at, figure.name, figure.value
    from pg_stat_database s, pg_roles r,
         (select count(*) as all_of_them, count(*) filter (where usename = current_user) as of_writers
          from pg_stat_activity where datid is not null and usename is not null) c,
         (select count(*) as partitions, max(to_date(right(part.relname, 8), 'YYYYMMDD')) - current_date as days
          from pg_inherits join pg_class part on part.oid = inhrelid where inhparent = 'writegate.ledger'::regclass) l,
         lateral (values
             ('writer_connections', c.of_writers),
             ('writer_connections_limit', nullif(r.rolconnlimit, -1)),
             ('server_connections', c.all_of_them),
             ('server_connections_limit', current_setting('max_connections')::int),
             ('deadlocks', s.deadlocks),
             ('deadlocks_since_seconds', extract(epoch from s.stats_reset)),
             ('outbox_commands', (select count(*) from writegate.outbox)),
             ('ledger_partitions', l.partitions),
             ('ledger_days_ahead', l.days)) figure (name, value)
    where s.datname = current_database() and r.rolname = current_user and figure.value is not null;
end $$;
