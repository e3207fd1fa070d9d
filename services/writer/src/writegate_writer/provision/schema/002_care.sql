-- The care of what grows: for how long each service's decisions are kept, and how the old ones go.

-- For how long a service's duplicates are recognised, as declared. `apply` keeps this: a writer knows only the services
-- that are installed with it, and the ledger holds the decisions of all.
create table writegate.service (
    name      text primary key,
    retention interval not null
);

-- The first day that is kept; null while some service's retention is not known: then nothing goes. The widest decides,
-- because the ledger is cut by days and not by services. Two days of margin: look-ups go back one day more than the
-- retention, and the day of a session depends on its time zone.
create function writegate.kept_since() returns date
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select case when not exists (select from writegate.lane where service not in (select name from writegate.service))
                then (clock_timestamp() - max(retention))::date - 2 end
    from writegate.service
$$;
revoke all on function writegate.kept_since() from public;

-- Drops the oldest partition when its day is past, and returns its day; null when there is nothing to do. Only the owner
-- may drop, and it is the writers that are always there. Dropping locks everybody out of the ledger, for a moment; but
-- while it waits for that lock everybody waits behind it. So it gives up soon (SQLSTATE 55P03), to be called again later.
create function writegate.drop_ledger_partition() returns date
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
declare
    oldest date;
begin
    if not pg_try_advisory_xact_lock(hashtext('writegate care')) then
        return null;                             -- another writer is at it
    end if;
    select min(to_date(right(part.relname, 8), 'YYYYMMDD')) into oldest
    from pg_inherits join pg_class part on part.oid = inhrelid where inhparent = 'writegate.ledger'::regclass;
    if (oldest < writegate.kept_since()) is not true then
        return null;
    end if;
    execute format('drop table writegate.%I', 'ledger_' || to_char(oldest, 'YYYYMMDD'));
    return oldest;
end $$;
revoke all on function writegate.drop_ledger_partition() from public;

-- Deletes rows whose time is over, at most so many of each kind, and returns whether there may be more. Batches and
-- figures stay as long as the ledger, which points to them. A command that waited and was decided stands in the ledger
-- too; its own row must go before its service's retention lets the id come again. What was parked, and what people did,
-- is for people to keep.
create function writegate.forget_rows(most int) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    since date := writegate.kept_since();
    deleted int;
    more boolean;
begin
    if since is null or not pg_try_advisory_xact_lock(hashtext('writegate care')) then
        return false;
    end if;
    delete from writegate.batch
    where id in (select id from writegate.batch order by id limit most) and started_at < since;
    get diagnostics deleted = row_count;
    more := deleted = most;
    delete from writegate.deferred where seq in (
        select seq from writegate.deferred d join writegate.service s on s.name = d.service
        where d.state <> 'deferred' and d.deferred_at < clock_timestamp() - s.retention limit most);
    get diagnostics deleted = row_count;
    more := more or deleted = most;
    delete from writegate.history where ctid = any(array(
        select ctid from writegate.history where at < since limit most));
    get diagnostics deleted = row_count;
    delete from writegate.hold where until < clock_timestamp() - interval '1 day';
    return more or deleted = most;
end $$;
revoke all on function writegate.forget_rows(int) from public;
create index deferred_decided on writegate.deferred (deferred_at) where state <> 'deferred';
