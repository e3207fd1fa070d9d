"""Observations: keys, the recorded year, and the table they become."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg2.errors import CheckViolation
from pydantic import ValidationError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from tests.demo import oracle
from tests.demo.before import create_database
from tests.demo.compare import differences
from tests.example_commands import observe
from tests.servers import Servers
from weather.contract import Observe
from weather.dataset import observations
from weather.writes import writes
from writegate import key_of

UNTIL = datetime(2013, 1, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def url(servers: Servers) -> str:
    return create_database(servers, "test_weather")


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with closing(engine.connect()) as opened:
        yield opened


def apply(connection: Connection, commands: list[Observe]) -> None:
    writes.handlers["weather.observe"](connection, commands)


def test_the_same_hour_in_two_time_zones_is_one_key() -> None:
    in_new_york = observe("2013-01-01T01:00:00-05:00")
    assert key_of(observe()) == key_of(in_new_york) == "EWR/2013-01-01T06Z"


def test_a_measurement_is_a_number_or_missing() -> None:
    assert observe(rain=0).rain == 0.0
    assert observe().rain is None
    with pytest.raises(ValidationError, match="finite number"):
        Observe.model_validate_json('{"airport": "EWR", "hour": "2013-01-01T06:00:00Z", "rain": NaN}')


def test_the_table_holds_what_the_csv_says(connection: Connection) -> None:
    recorded = list(observations(UNTIL))
    apply(connection, recorded[:1000])
    apply(connection, recorded[1000:])
    expected = oracle.weather_tables(UNTIL)
    rows = [tuple(row) for row in connection.execute(text("select * from weather.observation"))]
    assert len(rows) == len(recorded) > 1000
    assert list(differences(expected, lambda _: rows)) == []


def test_a_later_report_of_an_hour_replaces_an_earlier_one(connection: Connection) -> None:
    apply(connection, [observe(temperature=30), observe("2013-01-01T01:00:00-05:00", temperature=31)])
    apply(connection, [observe(temperature=32)])
    rows = connection.execute(text("select temperature from weather.observation")).all()
    assert [row[0] for row in rows] == [32.0]


@pytest.mark.parametrize("wrong", [{"humidity": 101}, {"rain": -1}, {"hour": "2013-01-01T06:30:00Z"}])
def test_the_database_refuses_what_cannot_be(connection: Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError) as caught:
        apply(connection, [observe(**wrong)])
    assert isinstance(caught.value.orig, CheckViolation)
