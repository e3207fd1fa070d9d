-- Which commands a batch's handlers emitted, and which commands those follow from: what the outbox forgets once the
-- broker has them. One row a batch, not one a command, which goes with the batch's own; ids as the ledger has them.
create table writegate.emission (
    batch    bigint primary key references writegate.batch on delete cascade,
    parents  uuid[] not null,                    -- null in it: the handler did not say
    children uuid[] not null                     -- in the same order
);
-- Ids are random: to try and compress them would be all cost.
alter table writegate.emission alter parents set storage external, alter children set storage external;
