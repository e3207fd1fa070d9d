-- How long the bodies of commands are kept that were parked or deferred and then decided: the facts about them stay.

-- When a parked command was replayed or dropped. Those of before count from this migration on.
alter table writegate.parked add decided_at timestamptz;
update writegate.parked set decided_at = clock_timestamp() where state in ('replayed', 'dropped');

create function writegate.note_parked_decided() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    new.decided_at := clock_timestamp();
    return new;
end $$;
create trigger note_parked_decided before update of state on writegate.parked for each row
    when (new.state in ('replayed', 'dropped') and old.state <> new.state)
    execute function writegate.note_parked_decided();

-- A row whose body is empty is not looked at again.
create index parked_with_body on writegate.parked (decided_at)
    where state in ('replayed', 'dropped') and octet_length(raw) > 0;
create index deferred_with_body on writegate.deferred (deferred_at)
    where state <> 'deferred' and octet_length(raw) > 0;

-- Empties the bodies and headers of commands that were decided so many days ago, at most so many rows of each table, and
-- returns whether there may be more.
create function writegate.empty_decided(days int, most int) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    before timestamptz := clock_timestamp() - make_interval(days => days);
    emptied int;
    more boolean;
begin
    if not pg_try_advisory_xact_lock(hashtext('writegate care')) then
        return false;                            -- another writer is at it
    end if;
    update writegate.parked set raw = '', headers = '{}' where seq in (
        select seq from writegate.parked
        where state in ('replayed', 'dropped') and octet_length(raw) > 0 and decided_at < before
        order by decided_at limit most);
    get diagnostics emptied = row_count;
    more := emptied = most;
    update writegate.deferred set raw = '', headers = '{}' where seq in (
        select seq from writegate.deferred
        where state <> 'deferred' and octet_length(raw) > 0 and deferred_at < before
        order by deferred_at limit most);
    get diagnostics emptied = row_count;
    return more or emptied = most;
end $$;
revoke all on function writegate.empty_decided(int, int) from public;
