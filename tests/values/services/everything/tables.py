"""The table: a column of each type of PostgreSQL that SQLAlchemy has."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import UserDefinedType

from .contract import Colour, Tone

SCHEMA = "everything"
metadata = sa.MetaData(schema=SCHEMA)
mood = sa.Enum("sad", "so so", "it's \\ fine", name="mood", schema=SCHEMA)
colour = sa.Enum(Colour, name="colour", schema=SCHEMA)


class Xml(UserDefinedType[str]):
    """SQLAlchemy has no type for XML: a service names it itself."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "XML"


row = sa.Table(
    "row",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("small", sa.SmallInteger),
    sa.Column("whole", sa.Integer),
    sa.Column("big", sa.BigInteger),
    sa.Column("exact", sa.Numeric),
    sa.Column("scaled", sa.Numeric(20, 4)),
    sa.Column("single", sa.REAL),
    sa.Column("double", sa.Double),
    sa.Column("cash", pg.MONEY),
    sa.Column("object_id", pg.OID),
    sa.Column("positive", pg.DOMAIN("positive", sa.Integer, schema=SCHEMA)),
    sa.Column("word", sa.Text),
    sa.Column("limited", sa.String(20)),
    sa.Column("padded", sa.CHAR(5)),
    sa.Column("folded", pg.CITEXT),
    sa.Column("raw", sa.LargeBinary),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("at_second", pg.TIMESTAMP(timezone=True, precision=0)),
    sa.Column("local", sa.DateTime),
    sa.Column("day", sa.Date),
    sa.Column("hour", sa.Time),
    sa.Column("hour_short", pg.TIME(precision=2)),
    sa.Column("zoned_hour", sa.Time(timezone=True)),
    sa.Column("span", sa.Interval),
    sa.Column("span_short", pg.INTERVAL(fields="DAY TO SECOND", precision=3)),
    sa.Column("ok", sa.Boolean),
    sa.Column("mood", mood),
    sa.Column("colour", colour),
    sa.Column("tone", pg.ENUM(*Tone, name="tone", schema=SCHEMA)),
    sa.Column("ref", sa.Uuid),
    sa.Column("address", pg.INET),
    sa.Column("interface", pg.INET),
    sa.Column("network", pg.CIDR),
    sa.Column("hardware", pg.MACADDR),
    sa.Column("hardware_8", pg.MACADDR8),
    sa.Column("bits", pg.BIT(8)),
    sa.Column("more_bits", pg.BIT(varying=True)),
    sa.Column("document", pg.TSVECTOR),
    sa.Column("question", pg.TSQUERY),
    sa.Column("relation", pg.REGCLASS),
    sa.Column("language", pg.REGCONFIG),
    sa.Column("doc", pg.JSONB),
    sa.Column("plain", pg.JSON),
    sa.Column("part", pg.JSONB),
    sa.Column("parts", pg.JSONB),
    sa.Column("path", pg.JSONPATH),
    sa.Column("markup", Xml),
    sa.Column("pairs", pg.HSTORE),
    sa.Column("wholes", pg.INT4RANGE),
    sa.Column("bigs", pg.INT8RANGE),
    sa.Column("exacts", pg.NUMRANGE),
    sa.Column("days", pg.DATERANGE),
    sa.Column("locals", pg.TSRANGE),
    sa.Column("instants", pg.TSTZRANGE),
    sa.Column("many_wholes", pg.INT4MULTIRANGE),
    sa.Column("many_bigs", pg.INT8MULTIRANGE),
    sa.Column("many_exacts", pg.NUMMULTIRANGE),
    sa.Column("many_days", pg.DATEMULTIRANGE),
    sa.Column("many_locals", pg.TSMULTIRANGE),
    sa.Column("many_instants", pg.TSTZMULTIRANGE),
    sa.Column("tags", sa.ARRAY(sa.Text)),
    sa.Column("grid", sa.ARRAY(sa.Integer, dimensions=2)),
    sa.Column("amounts", sa.ARRAY(sa.Numeric)),
    sa.Column("floats", pg.ARRAY(sa.Double)),
    sa.Column("flags", sa.ARRAY(sa.Boolean)),
    sa.Column("raws", sa.ARRAY(sa.LargeBinary)),
    sa.Column("refs", sa.ARRAY(sa.Uuid)),
    sa.Column("moments", sa.ARRAY(sa.DateTime(timezone=True))),
    sa.Column("dates", sa.ARRAY(sa.Date)),
    sa.Column("spans", sa.ARRAY(sa.Interval)),
    sa.Column("moods", sa.ARRAY(mood)),
    sa.Column("colours", sa.ARRAY(colour)),
    sa.Column("addresses", sa.ARRAY(pg.INET)),
    sa.Column("docs", sa.ARRAY(pg.JSONB)),
    sa.Column("ranges", sa.ARRAY(pg.NUMRANGE)),
    sa.Column("all_pairs", sa.ARRAY(pg.HSTORE)),
)
