create extension if not exists citext;
create schema refusing;

create table refusing.entry (
    position bigint generated always as identity primary key,
    account  text not null,
    task     text not null,
    how      text not null default '',
    sqlstate text not null default '',
    text     text not null default ''
);
create index entry_account on refusing.entry (account);
create index entry_text on refusing.entry (text);
-- The service's role may not write rows of this account.
alter table refusing.entry enable row level security;
create policy visible on refusing.entry for select using (true);
create policy writable on refusing.entry for insert with check (account not like 'forbidden%');

create table refusing.kept (account citext primary key, text text not null);
create table refusing.published (account text not null, text text not null default '');

-- What all commands of type Put are refused with, when there is a row.
create table refusing.refused (sqlstate text not null);
grant select on refusing.refused to public;

create function refusing.fail(sqlstate text) returns void language plpgsql as $$
begin
    raise exception 'refused with %', sqlstate using errcode = sqlstate;
end $$;

create function refusing.check_now() returns trigger language plpgsql as $$
begin
    if new.how = 'trigger' then
        perform refusing.fail(new.sqlstate);
    end if;
    perform refusing.fail(r.sqlstate) from refusing.refused r where new.task = 'put';
    return new;
end $$;
create trigger check_now before insert on refusing.entry for each row execute function refusing.check_now();

create function refusing.check_late() returns trigger language plpgsql as $$
begin
    perform refusing.fail(new.sqlstate);
    return null;
end $$;
create constraint trigger check_late after insert on refusing.entry deferrable initially deferred
    for each row when (new.how = 'commit') execute function refusing.check_late();
