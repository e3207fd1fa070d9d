-- An airframe: what it did, what the register says, when it was looked at. Whoever speaks of it first makes the row.

create schema fleet;

create table fleet.airframe (
    tail         text primary key,
    minutes      bigint not null default 0 check (minutes >= 0),        -- in the air
    cycles       bigint not null default 0 check (cycles >= 0),         -- one take-off and landing each
    kind         text,
    manufacturer text,
    model        text,
    engine       text,
    engines      int check (engines > 0),
    seats        int check (seats > 0),
    built        int check (built between 1903 and 2100),
    inspections  int not null default 0 check (inspections >= 0),
    inspected_on date,
    inspector    text
) with (fillfactor = 50);
