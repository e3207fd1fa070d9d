create schema shards;

create table shards.entry (
    position bigint generated always as identity primary key,
    account  text not null,
    seq      int not null
);
create index entry_account on shards.entry (account, position);

create table shards.balance (account text primary key, total bigint not null);
