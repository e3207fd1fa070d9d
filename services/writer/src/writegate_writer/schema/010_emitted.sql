-- Which commands a batch's handlers emitted, and which commands those follow from: what the outbox forgets once the
-- broker has them. One row a batch, not one a command, kept as long as the batch's own; ids as the ledger has them.
create table writegate.emission (
    batch    bigint primary key,
    parents  uuid[] not null,                    -- null in it: the handler did not say
    children uuid[] not null                     -- in the same order
);
-- Ids are random: to try and compress them would be all cost.
alter table writegate.emission alter parents set storage external, alter children set storage external;

-- As before, and those rows with their batches.
create or replace function writegate.forget_rows(most int) returns boolean
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
    delete from writegate.emission where batch in (select batch from writegate.emission order by batch limit most)
        and batch < (select min(id) from writegate.batch);
    get diagnostics deleted = row_count;
    more := more or deleted = most;
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
