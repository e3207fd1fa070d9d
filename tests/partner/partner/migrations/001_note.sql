create schema partner;
create table partner.note (
    position bigint generated always as identity primary key,
    account  text not null,
    seq      int not null
);
