-- Who keeps a batch waiting is an outsider, and what it runs only pg_monitor may see: the owner has it, the writers have
-- this. 500 characters tell people which statement it is.
create function writegate.session_of(backend int) returns table (who text, application text, statement text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select usename::text, application_name, left(query, 500) from pg_stat_activity where pid = backend
$$;
revoke all on function writegate.session_of(int) from public;
