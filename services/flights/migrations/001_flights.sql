-- A flight, and what each airport and carrier did in a day.

create schema flights;

create table flights.flight (
    flight          text primary key,            -- UA1545/2013-01-01/EWR
    carrier         text not null,
    number          int not null check (number > 0),
    day             date not null,
    origin          text not null,
    destination     text not null check (destination <> origin),
    distance        int not null check (distance > 0),
    scheduled_at    timestamptz not null,
    departed_at     timestamptz,
    departure_delay int,                         -- minutes, negative: early
    tail            text,
    state           text not null check (state in ('departed', 'cancelled', 'arrived', 'diverted')),
    arrived_at      timestamptz check (arrived_at > departed_at),
    arrival_delay   int,
    air_minutes     int check (air_minutes > 0),
    check ((state = 'cancelled') = (departed_at is null)),
    check ((departed_at is null) = (departure_delay is null)),
    check ((state = 'arrived') = (air_minutes is not null)),
    check (state <> 'arrived' or arrived_at is not null),
    check ((arrival_delay is null) = (air_minutes is null)),
    check (air_minutes is null or arrived_at >= departed_at + make_interval(mins => air_minutes))
) with (fillfactor = 70);                        -- every row is changed once, by the arrival: leave room for that

-- Delays are minutes, summed; an early flight counts against a late one.
create table flights.airport_day (
    airport         text not null,
    day             date not null,
    departures      int not null check (departures >= 0),
    cancelled       int not null check (cancelled >= 0),
    departure_delay bigint not null,
    arrivals        int not null check (arrivals >= 0),       -- of flights that left from here
    diverted        int not null check (diverted >= 0),
    arrival_delay   bigint not null,
    air_minutes     bigint not null check (air_minutes >= 0),
    primary key (airport, day)
) with (fillfactor = 50);

create table flights.carrier_day (
    carrier         text not null,
    day             date not null,
    departures      int not null check (departures >= 0),
    cancelled       int not null check (cancelled >= 0),
    departure_delay bigint not null,
    arrivals        int not null check (arrivals >= 0),
    diverted        int not null check (diverted >= 0),
    arrival_delay   bigint not null,
    air_minutes     bigint not null check (air_minutes >= 0),
    primary key (carrier, day)
) with (fillfactor = 50);
