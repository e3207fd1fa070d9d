create schema readings;

create table readings.reading (
    sensor int primary key,
    value  double precision not null check (value < 1e9),
    writes bigint not null
) with (fillfactor = 50);
