"""Ready-made handlers: the text they send, and what they refuse. What PostgreSQL makes of it is an integration test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

import pytest
from sqlalchemy import ARRAY, CHAR, Column, DateTime, Integer, MetaData, Numeric, String, Table
from sqlalchemy import Enum as EnumType
from sqlalchemy.dialects.postgresql import BIT, HSTORE, JSONB

from writegate import Command, Service
from writegate.errors import DeclarationError
from writegate_writer import Reject
from writegate_writer.handlers import rows
from writegate_writer.handlers.rows.literal import array_literal, element_type, encoder, text_of
from writegate_writer.handlers.rows.source import DIALECT, sources_of

TABLE = Table("Odd%", MetaData(schema="s"), Column("id", Integer, primary_key=True), Column("order", String(5)))


class Put(Command, key="id"):
    """A command of the table above."""

    id: int
    order: str


class Other(Command):
    """A command that has nothing to do with it."""

    text: str


Service("rows_unit", commands=[Put, Other])


class Recorder:
    """Stands where the connection stands, and keeps what is sent. ``types``: of the key's columns there."""

    def __init__(self, *types: tuple[str, str, str | None]) -> None:
        self.sent: list[tuple[str, tuple[str, ...]]] = []
        self._types = types
        self.asked = 0

    def exec_driver_sql(self, text: str, parameters: tuple[str, ...]) -> list[tuple[str, str, str | None]]:
        if "pg_attribute" in text:
            self.asked += 1
            return list(self._types)
        self.sent.append((text, parameters))
        return []


def test_one_statement_whatever_the_number_of_commands_and_always_the_same() -> None:
    recorder: Any = Recorder()
    handler = rows.upsert(TABLE)
    handler(recorder, [Put(id=1, order="a")])
    handler(recorder, [Put(id=index, order="b") for index in range(100)])
    handler(recorder, [])
    (first, _), (second, parameters) = recorder.sent
    assert first is second
    assert recorder.asked == 1
    assert len(parameters) == 2
    assert 's."Odd%%"' in first
    assert '"order" = excluded."order"' in first


@pytest.mark.parametrize("make", [rows.upsert, rows.update, rows.delete, rows.insert])
def test_a_key_is_folded_and_compared_as_the_type_that_it_has_in_the_database(make: Any) -> None:
    recorder: Any = Recorder(("id", "public.odd{%", 's."c"'))
    make(TABLE)(recorder, [Put(id=1, order="a")])
    [(text, _)] = recorder.sent
    assert "%s::public.odd{%%[]" in text
    assert 's.id collate s."c" as id' in text


@pytest.mark.parametrize(
    ("make", "command", "text"),
    [
        (lambda: rows.upsert(TABLE), Other, "primary key column 'id'"),
        (lambda: rows.insert(TABLE), Other, "no field that is a column"),
        (lambda: rows.insert(TABLE, columns={"nope": "id"}), Put, "no column 'nope'"),
        (lambda: rows.insert(TABLE, columns={"order": "nope"}), Put, "no field 'nope'"),
        (lambda: rows.update(TABLE, columns={"id": "text"}), Other, "no field fills a column"),
        (lambda: rows.delete(Table("t", MetaData(), Column("id", Integer))), Put, "no primary key"),
    ],
)
def test_a_command_that_does_not_fit_the_table_is_a_declaration_error(make: Any, command: Any, text: str) -> None:
    commands = {Put: Put(id=1, order="a"), Other: Other(text="x")}
    recorder: Any = Recorder()
    with pytest.raises(DeclarationError, match=text):
        make()(recorder, [commands[command]])
    assert recorder.sent == []


def test_a_nul_rejects_its_command_and_no_other() -> None:
    bad, good = Put(id=1, order="a\0b"), Put(id=2, order="c")
    recorder: Any = Recorder()
    with pytest.raises(Reject) as raised:
        rows.insert(TABLE)(recorder, [good, bad])
    assert list(raised.value.reasons) == [bad.command_id]
    assert "NUL" in raised.value.reasons[bad.command_id]


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        (String(5), "TEXT"),
        (String(5, collation="C"), "TEXT"),
        (CHAR(3), "BPCHAR"),
        (BIT(3), "BIT VARYING"),
        (ARRAY(String(5)), "TEXT[]"),
        (Numeric(10, 2), "NUMERIC(10, 2)"),
        (JSONB(), "JSONB"),
        (EnumType("a", name="mood", schema="s"), "s.mood"),
    ],
)
def test_no_cast_cuts_a_value_that_an_assignment_would_refuse(kind: Any, sql: str) -> None:
    assert element_type(kind, DIALECT) == sql


class Colour(str, Enum):  # noqa: UP042  older code has these, and str() of them is not their value
    """A string enumeration of the old kind."""

    RED = "red"


class Size(StrEnum):
    """And of the new."""

    BIG = "big"


def test_values_as_text() -> None:
    assert text_of(True) == "t"
    assert text_of(Colour.RED) == "red"
    assert text_of(Size.BIG) == "big"
    assert text_of(b"\x00\xff") == "\\x00ff"
    assert text_of(timedelta(days=-1, seconds=5, microseconds=7)) == "-1 days 5 seconds 7 microseconds"
    with pytest.raises(TypeError, match="object"):
        text_of(object())


def test_an_array_literal_quotes_what_needs_it() -> None:
    assert array_literal(['a"b\\c,{}', None, "NULL", ""], str) == '{"a\\"b\\\\c,{}",NULL,"NULL",""}'


def test_a_dict_of_texts_is_an_hstore_and_nothing_else_is() -> None:
    encode = encoder(HSTORE(), DIALECT)
    assert encode({}) == ""
    assert encode({"a": "1", "b": None, 'c"d': "e\\f", "": "=>, NULL"}) == (
        '"a"=>"1","b"=>NULL,"c\\"d"=>"e\\\\f",""=>"=>, NULL"'
    )
    assert encoder(ARRAY(HSTORE()), DIALECT)([{"a": None}, None]) == '{"\\"a\\"=>NULL",NULL}'
    assert encode("a=>1") == "a=>1"
    for value in ({"a": 1}, {1: "a"}, [("a", "1")]):
        with pytest.raises(TypeError, match="expected a dict of texts"):
            encode(value)


def test_a_column_can_take_another_field_or_a_constant() -> None:
    source = sources_of(TABLE, Other, {"id": 7, "order": "text"}, need_key=True)
    assert source.arrays([Other(text="a"), Other(text="b")]) == ("{7,7}", '{"a","b"}')


class Seen(Command, key="id"):
    """A moment that may have no zone, and an address."""

    id: int
    at: datetime | None = None
    address: IPv4Address | None = None


Service("rows_unit_seen", commands=[Seen])


def test_a_moment_without_zone_is_no_instant() -> None:
    table = Table("seen", MetaData(), Column("id", Integer, primary_key=True), Column("at", DateTime(timezone=True)))
    recorder: Any = Recorder()
    good = Seen(id=1, at=datetime(2013, 1, 1, tzinfo=UTC))
    naive = Seen(id=2, at=datetime(2013, 1, 1))  # noqa: DTZ001  that is what is refused
    with pytest.raises(Reject) as raised:
        rows.insert(table)(recorder, [good, naive, Seen(id=3)])
    [(command_id, reason)] = raised.value.reasons.items()
    assert command_id == naive.command_id
    assert "column at: expected a moment with a zone, got 2013-01-01T00:00:00" in reason
    rows.insert(table)(recorder, [good, Seen(id=3)])
    local = Table("seen", MetaData(), Column("id", Integer, primary_key=True), Column("at", DateTime()))
    rows.insert(local)(recorder, [naive])


def test_an_address_has_a_text() -> None:
    assert [text_of(ip_address("10.0.0.1")), text_of(ip_network("10.0.0.0/8"))] == ["10.0.0.1", "10.0.0.0/8"]


def test_a_declaration_that_says_two_things_is_refused() -> None:
    with pytest.raises(DeclarationError, match="expected on_conflict or decline_on, not both"):
        rows.insert(TABLE, on_conflict="ignore", decline_on="conflict")


def test_a_condition_on_nothing_to_set_is_refused() -> None:
    table = Table("keys", MetaData(), Column("id", Integer, primary_key=True))
    for handler in (rows.upsert, rows.update):
        with pytest.raises(DeclarationError, match="no field fills a column beside its primary key"):
            handler(table, where=lambda row, given: row.id == given.id)(Recorder(), [Put(id=1, order="a")])  # type: ignore[arg-type]
