create schema bank;

create table bank.account (number int primary key, cents bigint not null check (cents >= 0));
insert into bank.account select number, 1000 from generate_series(0, 49) as number;

-- One row an effect: what was done twice or never shows here. So its id is not unique.
create table bank.transfer (
    position bigint generated always as identity primary key,
    id       text not null,
    source   int not null references bank.account,
    target   int not null references bank.account check (target <> source),
    cents    bigint not null check (cents > 0)
);
