create schema wallets;

create table wallets.wallet (name text primary key, cents bigint not null);

-- One row an effect, in the order of the effects.
create table wallets.movement (
    position bigint generated always as identity primary key,
    wallet   text not null,
    seq      int not null,
    cents    bigint not null
);
create index movement_wallet on wallets.movement (wallet, position);
