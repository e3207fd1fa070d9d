create schema trial;

-- One row an effect, in the order of the effects: what was done twice, never, or in the wrong order shows here.
create table trial.entry (
    position bigint generated always as identity primary key,
    account  text not null,
    seq      int not null,
    amount   int not null check (amount >= 0)
);
create index entry_account on trial.entry (account, position);

-- The same for streams of calls. No constraint makes the id unique: that is the writer's part.
create table trial.step (
    position bigint generated always as identity primary key,
    id       text not null,
    account  text not null,
    stream   text not null,
    seq      int not null,
    bad      boolean not null check (not bad)
);
create index step_id on trial.step (id);

create table trial.balance (account text primary key, total bigint not null);

create table trial.script (name text primary key, sql text not null);

-- Nobody declares this one.
create table trial.undeclared (n int);
