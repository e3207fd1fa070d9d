-- What people look at, found without reading whole tables.

-- Parked commands counted by type and cause, with the first and last of each. It does what parked_cause did, too.
create index parked_listed on writegate.parked (service, task, cause, seq) where state = 'parked';
drop index writegate.parked_cause;
create index parked_of_key on writegate.parked (key, seq) where state = 'parked';
create index parked_of_id on writegate.parked (id);
create index parked_of_task on writegate.parked (task, seq) where state = 'parked';

-- Which commands a handler emitted, of those that did not go through at once.
create index parked_emitted on writegate.parked ((headers ->> 'parent_id')) where headers ->> 'parent_id' is not null;
create index deferred_emitted on writegate.deferred ((headers ->> 'parent_id'))
    where headers ->> 'parent_id' is not null;

-- The commands of a batch. Rows come in the order of batches, so a summary of each few pages is enough, which is cheap to
-- keep.
create index ledger_batch on writegate.ledger using brin (batch) with (pages_per_range = 16, autosummarize = on);
