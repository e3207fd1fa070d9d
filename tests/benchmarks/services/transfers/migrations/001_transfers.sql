create schema transfers;

-- A larger balance than the check allows is the poison of the benchmark; `moves` counts what was applied, twice.
create table transfers.account (
    id      int primary key,
    balance bigint not null default 0 check (balance between -100000000000 and 100000000000),
    moves   bigint not null default 0
) with (fillfactor = 50);
