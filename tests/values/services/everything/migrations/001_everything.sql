create extension if not exists citext;
create extension if not exists hstore;
create schema everything;
create type everything.mood as enum ('sad', 'so so', 'it''s \ fine');
create type everything.colour as enum ('RED', 'GREEN');
create type everything.tone as enum ('low', 'it''s high');
create domain everything.positive as integer check (value > 0);

create table everything.row (
    id integer primary key,
    small smallint, whole integer, big bigint, exact numeric, scaled numeric(20, 4), single real,
    double double precision, cash money, object_id oid, positive everything.positive,
    word text, limited varchar(20), padded char(5), folded citext, raw bytea,
    at timestamptz, at_second timestamptz(0), local timestamp, day date, hour time, hour_short time(2),
    zoned_hour timetz, span interval, span_short interval day to second(3),
    ok boolean, mood everything.mood, colour everything.colour, tone everything.tone, ref uuid,
    address inet, interface inet, network cidr, hardware macaddr, hardware_8 macaddr8,
    bits bit(8), more_bits bit varying, document tsvector, question tsquery, relation regclass, language regconfig,
    doc jsonb, plain json, part jsonb, parts jsonb, path jsonpath, markup xml, pairs hstore,
    wholes int4range, bigs int8range, exacts numrange, days daterange, locals tsrange, instants tstzrange,
    many_wholes int4multirange, many_bigs int8multirange, many_exacts nummultirange,
    many_days datemultirange, many_locals tsmultirange, many_instants tstzmultirange,
    tags text[], grid integer[], amounts numeric[], floats double precision[], flags boolean[], raws bytea[],
    refs uuid[], moments timestamptz[], dates date[], spans interval[], moods everything.mood[],
    colours everything.colour[], addresses inet[], docs jsonb[], ranges numrange[], all_pairs hstore[]
);
