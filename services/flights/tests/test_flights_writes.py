"""The handlers on a real database: many commands at once, one at a time, and the totals from the CSV agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from typing import Any

import pytest
from psycopg2.errors import CheckViolation, UniqueViolation
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from fleet.contract import LogFlight
from flights.contract import OfFlight, RecordArrival
from flights.dataset import Row, events
from flights.writes import writes
from tests.demo import oracle
from tests.demo.before import create_database
from tests.demo.compare import differences
from tests.example_commands import departure
from tests.servers import Servers
from writegate import Command, contract_of
from writegate_writer import Decline
from writegate_writer.handlers.emit import Emitted, collecting

FLIGHTS = 1_500  # one and a half days, with all that a row can be


@pytest.fixture(scope="module")
def url(servers: Servers) -> str:
    return create_database(servers, "test_flights_writes")


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """A connection to the empty tables; what a test did is rolled back."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with closing(engine.connect()) as opened:
        yield opened


def apply(connection: Connection, commands: Sequence[Command]) -> list[Emitted]:
    """Call the handler of commands of one type; return what it emitted."""
    with collecting() as emitted:
        writes.handlers[contract_of(commands[0]).task](connection, commands)
        return list(emitted)


def ask(connection: Connection) -> Any:
    return lambda query: [tuple(row) for row in connection.execute(text(query))]


def arrival(**fields: Any) -> RecordArrival:
    left = departure()
    return RecordArrival(carrier=left.carrier, number=left.number, day=left.day, origin=left.origin, **fields)


@pytest.fixture(scope="module")
def recorded() -> list[OfFlight]:
    return [command for _, command in events(FLIGHTS)]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """What the CSV says; it takes seconds to read and sort the whole year."""
    return oracle.scheduled(FLIGHTS)


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_the_tables_hold_what_the_csv_says(
    connection: Connection, recorded: list[OfFlight], rows: list[Row], at_once: int
) -> None:
    emitted: list[Emitted] = []
    for start in range(0, len(recorded), at_once):
        for _, run in groupby(recorded[start : start + at_once], key=type):
            emitted += apply(connection, list(run))
    assert list(differences(oracle.flight_tables(rows), ask(connection))) == []

    logged = [flown.command for flown in emitted if isinstance(flown.command, LogFlight)]
    expected = oracle.fleet_tables(rows)["fleet.airframe"]
    assert sum(command.minutes for command in logged) == sum(row[0] for row in expected.values())
    assert len(logged) == len(emitted) == oracle.commands(rows)["logged"]


def test_what_is_emitted_follows_from_its_arrival(connection: Connection) -> None:
    apply(connection, [departure()])
    came = arrival(
        tail="N14228", arrived_at=departure().scheduled_at.replace(hour=14), delay_minutes=5, air_minutes=200
    )
    (emitted,) = apply(connection, [came])
    assert emitted == Emitted(LogFlight(tail="N14228", flight=came.flight, minutes=200), came.command_id)


def test_a_flight_without_a_known_airframe_emits_nothing(connection: Connection) -> None:
    apply(connection, [departure()])
    came = arrival(arrived_at=departure().scheduled_at.replace(hour=14), delay_minutes=5, air_minutes=200)
    assert apply(connection, [came]) == []


@pytest.mark.parametrize(
    "wrong",
    [{"distance": 0}, {"destination": "EWR"}],
    ids=["no distance", "a flight to where it is"],
)
def test_the_database_refuses_a_departure(connection: Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError) as caught:
        apply(connection, [departure(number=1), departure(**wrong)])
    assert isinstance(caught.value.orig, CheckViolation)


def test_a_departure_is_recorded_once(connection: Connection) -> None:
    with pytest.raises(IntegrityError) as caught:
        apply(connection, [departure(), departure()])
    assert isinstance(caught.value.orig, UniqueViolation)


def test_an_arrival_before_its_departure_is_refused_by_the_database(connection: Connection) -> None:
    apply(connection, [departure()])
    with pytest.raises(IntegrityError) as caught:
        apply(connection, [arrival(arrived_at=departure().scheduled_at, delay_minutes=0, air_minutes=10)])
    assert isinstance(caught.value.orig, CheckViolation)


def test_arrivals_that_nothing_waits_for_are_declined_by_id(connection: Connection) -> None:
    apply(connection, [departure(), departure(number=2, departed_at=None)])
    good, again = arrival(), arrival()
    cancelled, unknown = arrival().model_copy(update={"number": 2}), arrival().model_copy(update={"number": 3})
    with pytest.raises(Decline) as caught:
        apply(connection, [good, again, cancelled, unknown])
    reasons = caught.value.of([])
    assert reasons.keys() == {again.command_id, cancelled.command_id, unknown.command_id}
    assert "UA3/2013-01-01/EWR" in reasons[unknown.command_id]
