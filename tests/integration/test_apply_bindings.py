"""``plan`` names what ready-made handlers bind to a table and does not fit it, before a command arrives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import AnyUrl, Field
from sqlalchemy.dialects import postgresql as pg

from tests.place import PASSWORD, Place, passwords
from writegate import Command, Service
from writegate_writer import Writes, rows
from writegate_writer.provision.plan import Applier, Plan, opened

SCHEMA = "alpha"
TABLES = """
create type alpha.colour as enum ('red', 'green');
create domain alpha.price as numeric(10, 2) check (value >= 0);
create table alpha.thing (
    id integer primary key, colour alpha.colour, colours alpha.colour[], address inet, price alpha.price, note text
);
create table alpha.heap (id integer, note text);
create table alpha.worded (id text primary key, note integer, twice integer generated always as (note * 2) stored);
"""


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Shade(StrEnum):
    RED = "red"
    DARK = "dark"


class Fits(Command, key="id"):
    id: int
    colour: Colour | None = None
    colours: list[Colour] | None = None
    address: IPv4Address | None = None
    price: Decimal | None = Field(default=None, decimal_places=2)
    note: str | None = None


class Unfit(Command, key="id"):
    id: int
    colour: Shade | None = None
    colours: list[Shade] | None = None
    address: bool | None = None
    price: Decimal | None = None
    note: AnyUrl | None = None


class Plain(Command, key="id"):
    id: int
    note: str | None = None


class Keyless(Command, key="note"):
    note: str


class Amount(Command, key="id"):
    id: str
    note: int | None = None


metadata = sa.MetaData(schema=SCHEMA)
colour = pg.ENUM(*Colour, name="colour", schema=SCHEMA)
thing = sa.Table(
    "thing",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("colour", colour),
    sa.Column("colours", sa.ARRAY(colour)),
    sa.Column("address", pg.INET),
    sa.Column("price", sa.Numeric),
    sa.Column("note", sa.Text),
)
heap = sa.Table("heap", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.Text))
worded = sa.Table("worded", metadata, sa.Column("id", sa.Text, primary_key=True), sa.Column("note", sa.Integer))
misdeclared = sa.Table(
    "worded", sa.MetaData(schema=SCHEMA), sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.Text)
)
wider = sa.Table(
    "heap",
    sa.MetaData(schema=SCHEMA),
    sa.Column("id", sa.Integer),
    sa.Column("note", sa.Text),
    sa.Column("address", pg.INET),
)


@contextmanager
def applier_of(place: Place, command: type[Command], table: sa.Table, handler: Any) -> Iterator[Applier]:
    """Open a place of which ``alpha`` has one command with a ready-made handler."""
    migrations = place.migrations / "alpha"
    Path(migrations / "002_tables.sql").write_text(TABLES)
    alpha = Writes(Service("alpha", commands=[command]), tables=[table], migrations=migrations)
    alpha.add(command, handler)
    with opened(place.settings(), {"alpha": alpha}, passwords(PASSWORD)) as applier:
        yield applier


def planned(place: Place, command: type[Command], table: sa.Table, handler: Any) -> Plan:
    """Apply, and return what is left."""
    with applier_of(place, command, table, handler) as applier:
        before = applier.plan()
        # A migration that did not run yet may change the table.
        assert not [change for change in before.refused if change.kind in {"field", "command"}]
        return applier.apply(before, lambda _: None)


def test_what_fits_is_not_named(place: Place) -> None:
    handlers = [rows.insert(thing), rows.upsert(thing), rows.update(thing), rows.insert(thing, decline_on="conflict")]
    first = planned(place, Fits, thing, handlers[0])
    assert (first.changes, first.hints) == ((), ())
    for handler in handlers[1:]:
        with applier_of(place, Fits, thing, handler) as applier:
            assert applier.plan().changes == ()


def test_fields_that_do_not_fit_are_refused_and_what_is_rounded_is_hinted_at(place: Place) -> None:
    plan = planned(place, Unfit, thing, rows.upsert(thing))
    assert [(change.action, change.kind, change.name) for change in plan.changes] == [
        ("refused", "field", f"alpha.unfit.{name}") for name in ("colour", "colours", "address", "note")
    ]
    details = [change.detail for change in plan.changes]
    assert "Shade does not fit column colour (alpha.colour)" in details[0]
    assert "'dark', which is none of 'red', 'green'" in details[1]
    assert "bool does not fit column address (inet)" in details[2]
    assert "no text as a column" in details[3]
    [hint] = plan.hints
    assert hint.startswith("alpha.unfit.price: column price (alpha.price) rounds to 2 decimal places")


STATEMENTS: dict[str, tuple[type[Command], sa.Table, Any, str]] = {
    "no key in the database": (Plain, heap, rows.upsert(heap), "no unique or exclusion constraint"),
    "another type than declared": (Plain, misdeclared, rows.insert(misdeclared), "is of type integer"),
    "no such column": (Fits, wider, rows.insert(wider), '"address" of relation "heap" does not exist'),
    "no primary key filled": (Keyless, thing, rows.update(thing), "fills no primary key column 'id'"),
    "increment of a text": (Plain, thing, rows.increment(thing, by={"note": 1}), "function sum(text) does not exist"),
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_a_statement_that_the_table_does_not_take_is_refused(place: Place, case: str) -> None:
    command, table, handler, text = STATEMENTS[case]
    [change] = planned(place, command, table, handler).changes
    assert (change.action, change.kind) == ("refused", "command")
    assert text in change.detail


def test_a_key_of_another_type_than_declared_is_taken_as_the_handler_takes_it(place: Place) -> None:
    with applier_of(place, Amount, worded, rows.upsert(worded)) as applier:
        assert applier.apply(applier.plan(), lambda _: None).changes == ()
    place.sql("alter table alpha.worded alter column id type uuid using id::uuid")
    with applier_of(place, Amount, worded, rows.upsert(worded)) as applier:
        assert applier.plan().changes == ()
