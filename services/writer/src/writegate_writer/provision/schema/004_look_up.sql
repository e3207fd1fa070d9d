-- Which of these ids are known: [id, outcome, hash] of those decided since a day, and [id, hash] of those that wait.
--
-- A descent of an index an id, whatever the statistics say: a planner that sees a thousand ids and a table that was small
-- a minute ago reads all of it, once a batch. Hence the limits, which keep the joins in this order, and the settings. The
-- plan is kept, too: to make it takes longer than to run it. Partitions of days to come are left out, but for the next:
-- some session may be a time zone ahead.
create function writegate.look_up(of_service text, ids uuid[], since date, out decided json, out waiting json)
language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
    select coalesce(json_agg(json_build_array(given.id, outcome, hash::text)), '[]') into decided
    from unnest(ids) given (id) cross join lateral (
        select outcome, hash from writegate.ledger
        where service = of_service and id = given.id and day between since and current_date + 1 limit 1) known;
    if not exists (select from writegate.deferred where state = 'deferred') then
        waiting := '[]';
        return;
    end if;
    select coalesce(json_agg(json_build_array(given.id, hash::text)), '[]') into waiting
    from unnest(ids) given (id) cross join lateral (
        select hash, state from writegate.deferred where service = of_service and ledger_id = given.id limit 1) known
    where state = 'deferred';
end $$;
