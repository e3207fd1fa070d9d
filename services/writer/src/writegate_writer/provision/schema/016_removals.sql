-- Commands that people want out of the way before a writer could apply them: parked, or dropped for good. The owner of the
-- domain carries that out, when it tries the command the next time, and deletes the row with it.
create table writegate.removal (
    service    text not null,
    ledger_id  uuid not null,
    dropped    boolean not null,
    who        text not null,
    reason     text not null,
    removed_at timestamptz not null default clock_timestamp(),
    primary key (service, ledger_id)
);

-- By which people name a deferred command. `seq` is its place, and places may be below zero.
alter table writegate.deferred add number bigint generated always as identity;
create unique index deferred_number on writegate.deferred (number);
-- For lists and pages of what waits, however much was decided since.
create index deferred_listed on writegate.deferred (number) where state = 'deferred';

-- A command that is dropped before it was parked has its row in `parked` all the same.
create trigger note_parked_dropped before insert on writegate.parked for each row
    when (new.state = 'dropped') execute function writegate.note_parked_decided();
