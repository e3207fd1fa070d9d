create schema trial;

-- One row an effect, in the order of the effects: what was done twice, never, or in the wrong order shows here.
create table trial.entry (
    position bigint generated always as identity primary key,
    account  text not null,
    seq      int not null,
    amount   int not null check (amount >= 0)
);
create index entry_account on trial.entry (account, position);

create table trial.balance (account text primary key, total bigint not null);

create table trial.script (name text primary key, sql text not null);

-- Nobody declares this one.
create table trial.undeclared (n int);
