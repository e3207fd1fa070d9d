"""Airframes: the first command about one creates its row, in any order of commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from itertools import permutations

import pytest
from psycopg2.errors import CheckViolation
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from fleet.contract import LogFlight, RecordInspection, RegisterAirframe
from fleet.register import airframes
from fleet.writes import writes
from tests.demo import oracle
from tests.demo.before import create_database
from tests.demo.compare import differences
from tests.servers import Servers
from writegate import Command, contract_of
from writegate_writer.handlers.declining import Untouched

REGISTERED = RegisterAirframe(
    tail="N1", kind="Fixed wing", manufacturer="BOEING", model="737", engine="Turbo-fan", engines=2, seats=150
)
FLOWN = LogFlight(tail="N1", flight="UA1/2013-01-01/EWR", minutes=90)
INSPECTED = RecordInspection(tail="N1", inspected_on=date(2013, 2, 1), inspector="Kim")


@pytest.fixture(scope="module")
def url(servers: Servers) -> str:
    return create_database(servers, "test_fleet")


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with closing(engine.connect()) as opened:
        yield opened


def apply(connection: Connection, commands: Sequence[Command]) -> None:
    writes.handlers[contract_of(commands[0]).task](connection, commands)


def rows(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text("select * from fleet.airframe"))]


@pytest.mark.parametrize("order", list(permutations([REGISTERED, FLOWN, INSPECTED])))
def test_the_order_of_commands_does_not_matter_to_the_row(connection: Connection, order: Sequence[Command]) -> None:
    for command in order:
        apply(connection, [command])
    register = ("Fixed wing", "BOEING", "737", "Turbo-fan", 2, 150, None)
    assert rows(connection) == [("N1", 90, 1, *register, 1, date(2013, 2, 1), "Kim")]


def test_flights_of_one_airframe_add_up_in_one_call_and_over_calls(connection: Connection) -> None:
    apply(connection, [FLOWN, FLOWN.model_copy(update={"minutes": 10})])
    apply(connection, [FLOWN])
    assert rows(connection)[0][:3] == ("N1", 190, 3)


def test_inspections_are_counted_and_the_last_one_is_kept(connection: Connection) -> None:
    apply(connection, [INSPECTED, INSPECTED.model_copy(update={"inspected_on": date(2014, 2, 1), "inspector": "Lee"})])
    assert rows(connection)[0][-3:] == (2, date(2014, 2, 1), "Lee")


def test_an_inspection_from_before_the_last_one_is_declined_and_not_counted(connection: Connection) -> None:
    earlier = RecordInspection(tail="N1", inspected_on=date(2013, 1, 31), inspector="Lee")
    same_day = RecordInspection(tail="N1", inspected_on=date(2013, 2, 1), inspector="Ada")
    answers = writes.handlers["fleet.record_inspection"](connection, [INSPECTED, earlier, same_day])
    assert answers == {earlier.command_id: Untouched("a later inspection is recorded")}
    assert rows(connection)[0][-3:] == (2, date(2013, 2, 1), "Ada")


def test_the_register_becomes_the_table(connection: Connection) -> None:
    apply(connection, list(airframes()))
    expected = oracle.fleet_tables([], register=True)
    assert list(differences(expected, lambda _: rows(connection))) == []


def test_the_database_refuses_an_airframe_without_engines(connection: Connection) -> None:
    with pytest.raises(IntegrityError) as caught:
        apply(connection, [REGISTERED.model_copy(update={"engines": 0})])
    assert isinstance(caught.value.orig, CheckViolation)
