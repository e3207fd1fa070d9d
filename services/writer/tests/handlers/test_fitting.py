"""Which fields fit which columns, told from declarations."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import AnyUrl, AwareDatetime, BaseModel, Field, NaiveDatetime, create_model
from sqlalchemy.dialects import postgresql as pg

from writegate import Command
from writegate_writer.handlers.rows.fitting import Misfit, StoredColumn, misfits
from writegate_writer.handlers.rows.source import sources_of


class Colour(Enum):
    RED = "r"
    GREEN = "g"


class Other(Enum):
    RED = "r"


class Tone(StrEnum):
    LOW = "low"
    HIGH = "high"


class Grade(IntEnum):
    GOOD = 1


class Part(BaseModel):
    name: str


Places = NewType("Places", Decimal)
Cents = Annotated[Decimal, Field(decimal_places=2)]
COLOURS = StoredColumn("colour", "enum", ("RED", "GREEN"))
TONES = StoredColumn("tone", "enum", ("low", "high"))


def found(annotation: Any, declared: Any, stored: StoredColumn | str) -> list[Misfit]:
    """Return what does not fit between a field of this type and a column."""
    there = StoredColumn(stored, stored) if isinstance(stored, str) else stored
    command: Any = create_model("Put", __base__=Command, value=(annotation, ...))
    table = sa.Table("row", sa.MetaData(), sa.Column("value", declared, primary_key=True))
    return list(misfits(command, sources_of(table, command, None), {"value": there}))


FITTING: list[tuple[Any, Any, StoredColumn | str]] = [
    (int, sa.Integer, "int4"),
    (int | None, sa.BigInteger, "int8"),
    (int, sa.Text, "text"),
    (bool, sa.Boolean, "bool"),
    (float, sa.Double, "float8"),
    (float, sa.Numeric, "numeric"),
    (Decimal, sa.Numeric, "numeric"),
    (Cents, sa.Numeric(10, 2), StoredColumn("numeric(10,2)", "numeric", places=2)),
    (Cents | None, pg.MONEY, "money"),
    (str, sa.Text, "citext"),
    (str, pg.TSVECTOR, "tsvector"),
    (str, pg.INT4RANGE, "int4range"),
    (str, pg.ENUM("low", "high", name="tone"), TONES),
    (bytes, sa.LargeBinary, "bytea"),
    (datetime, sa.DateTime(timezone=True), "timestamptz"),
    (AwareDatetime, sa.DateTime(timezone=True), "timestamptz"),
    (NaiveDatetime, sa.DateTime, "timestamp"),
    (date, sa.Date, "date"),
    (time, sa.Time, "time"),
    (timedelta, sa.Interval, "interval"),
    (UUID, sa.Uuid, "uuid"),
    (UUID, sa.Text, "text"),
    (IPv4Address, pg.INET, "inet"),
    (IPv4Address, sa.Text, "text"),
    (IPv4Address, pg.CIDR, "cidr"),
    (IPv6Network, pg.CIDR, "cidr"),
    (Colour, sa.Enum(Colour), COLOURS),
    (Colour | None, sa.Text, "text"),
    (Tone, pg.ENUM(*Tone, name="tone"), TONES),
    (Literal["low"], sa.Enum(*Tone, name="tone"), TONES),
    (Grade, sa.Integer, "int4"),
    (Part, pg.JSONB, "jsonb"),
    (AnyUrl, pg.JSONB, "jsonb"),
    (list[Part], sa.JSON, "json"),
    (dict[str, str | None], pg.HSTORE, "hstore"),
    (str, pg.HSTORE, "hstore"),
    (list[int], sa.ARRAY(sa.Integer), "int4"),
    (list[list[int | None]], sa.ARRAY(sa.Integer), "int4"),
    (tuple[Colour, ...], sa.ARRAY(sa.Enum(Colour)), COLOURS),
    (list[dict[str, Any]], sa.ARRAY(pg.JSONB), "jsonb"),
    (Any, sa.Integer, "int4"),
    (int, sa.Text, "a_type_of_an_extension"),
]


@pytest.mark.parametrize(("annotation", "declared", "stored"), FITTING, ids=str)
def test_what_fits(annotation: Any, declared: Any, stored: StoredColumn | str) -> None:
    assert found(annotation, declared, stored) == []


UNFIT: list[tuple[Any, Any, StoredColumn | str, str]] = [
    (IPv4Address, sa.Integer, "int4", "mean something else"),
    (IPv4Interface, pg.CIDR, "cidr", "mean something else"),
    (bool, sa.Integer, "int4", "mean something else"),
    (bool, sa.Text, "text", "mean something else"),
    (int, sa.Boolean, "bool", "mean something else"),
    (int, sa.Interval, "interval", "mean something else"),
    (Decimal, sa.Integer, "int4", "mean something else"),
    (float, sa.BigInteger, "int8", "mean something else"),
    (bytes, sa.Text, "text", "mean something else"),
    (str, sa.LargeBinary, "bytea", "use bytes"),
    (datetime, sa.Date, "date", "mean something else"),
    (AwareDatetime, sa.DateTime, "timestamp", "mean something else"),
    (NaiveDatetime, sa.DateTime(timezone=True), "timestamptz", "mean something else"),
    (date, sa.DateTime(timezone=True), "timestamptz", "mean something else"),
    (timedelta, sa.Time, "time", "mean something else"),
    (UUID, sa.Integer, "int4", "mean something else"),
    (Other, sa.Enum(Colour), COLOURS, "no member of the enumeration"),
    (Colour, sa.Enum("r", "g", name="colour"), StoredColumn("colour", "enum", ("r", "g")), "no member of the enum"),
    (Colour, sa.Enum(Colour), StoredColumn("colour", "enum", ("RED",)), "'GREEN', which is none of 'RED'"),
    (Colour, sa.Text, COLOURS, "'r', which is none of"),
    (Literal["low", "lower"], sa.Text, TONES, "'lower', which is none of"),
    (Literal["low"], sa.Enum(Colour), COLOURS, "is none of|no member"),
    (Grade, sa.Boolean, "bool", "mean something else"),
    (int, sa.Enum(Colour), COLOURS, "expected a text"),
    (AnyUrl, sa.Text, "text", "no text as a column"),
    (Path, sa.Text, "text", "no text as a column"),
    (complex, sa.Double, "float8", "no text as a column"),
    (Part, sa.Text, "text", "no text as a column"),
    (dict[str, int], sa.Text, "text", "no text as a column"),
    (list[int], sa.Text, "text", "no text as a column"),
    (list[int], pg.HSTORE, "hstore", "expected a dict"),
    (int, sa.ARRAY(sa.Integer), "int4", "expected a list"),
    (list[str | bool], sa.ARRAY(sa.Text), "text", "bool: its values"),
    (list[Other], sa.ARRAY(sa.Enum(Colour)), COLOURS, "Other: <Other.RED: 'r'> is no member"),
]


@pytest.mark.parametrize(("annotation", "declared", "stored", "text"), UNFIT, ids=str)
def test_what_does_not_fit_is_named(annotation: Any, declared: Any, stored: StoredColumn | str, text: str) -> None:
    [misfit] = found(annotation, declared, stored)
    assert (misfit.field, misfit.loses) == ("value", False)
    assert any(part in misfit.text for part in text.split("|")), misfit.text


LOSING: list[tuple[Any, Any, StoredColumn | str, str]] = [
    (Decimal, sa.Numeric(10, 2), StoredColumn("numeric(10,2)", "numeric", places=2), "decimal_places=2"),
    (Places, sa.Numeric, StoredColumn("numeric(10,0)", "numeric", places=0), "decimal_places=0"),
    (Cents, sa.Numeric, StoredColumn("numeric(10,1)", "numeric", places=1), "decimal_places=1"),
    (Decimal, pg.MONEY, "money", "decimal_places=2"),
    (Decimal, sa.Double, "float8", "binary fractions"),
    (str, sa.DateTime(timezone=True), "timestamptz", "AwareDatetime"),
    (str, sa.Date, "date", "'today'"),
    (str, sa.Integer, "int4", "as int"),
]


@pytest.mark.parametrize(("annotation", "declared", "stored", "text"), LOSING, ids=str)
def test_what_is_stored_with_a_loss_is_named(
    annotation: Any, declared: Any, stored: StoredColumn | str, text: str
) -> None:
    [misfit] = found(annotation, declared, stored)
    assert misfit.loses
    assert text in misfit.text
