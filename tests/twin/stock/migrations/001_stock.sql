create schema stock;

create table stock.item (
    article text not null,
    slot    int not null,
    code    text,
    weight  int check (weight >= 0),
    note    varchar(8),
    size    int,
    primary key (article, slot),
    unique (article, code)
);

-- Grows at its end: shows in which order an article's commands were applied.
create table stock.story (article text primary key, text text not null check (text not like '%!%'));

-- Rows that all articles share.
create table stock.tally (name text primary key, total int not null default 0, times int not null default 0);

create table stock.balance (article text primary key, amount int not null);
create table stock.movement (id text primary key, article text not null, fee int not null check (fee >= 0));

create table stock.shelf (shelf text primary key);
create table stock.place (article text primary key, shelf text not null references stock.shelf);
