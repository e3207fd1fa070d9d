"""What the team of `weather` would have as its own tests: an example of the test kit.

Nothing here starts a broker or a writer; the database is needed by the last two tests alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, select

from tests.servers import Servers
from tests.tables import migrated, rolled_back
from weather.contract import Observe, weather
from weather.dataset import observations
from weather.tables import observation
from writegate import Service, publish, publisher
from writegate.errors import PublishTimeout
from writegate.integrations.stream import publish_stream
from writegate.testing import MemoryBroker
from writegate_writer.testing import drain

MIGRATIONS = Path(__file__).parents[1] / "migrations"
NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def writegate_services() -> list[Service]:
    return [weather]


@pytest.fixture(scope="module")
def engine(servers: Servers) -> Iterator[Engine]:
    with migrated(servers, "weather_suite", MIGRATIONS) as made:
        yield made


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with rolled_back(engine) as opened:
        yield opened


def test_the_feed_is_published_observation_by_observation(writegate_broker: MemoryBroker) -> None:
    publish_stream(publisher(), islice(observations(), 100))
    assert len(writegate_broker.published) == 100
    writegate_broker.assert_published(Observe, key="EWR/2013-01-01T06Z", times=1, temperature=39.02)


def test_a_feed_that_cannot_publish_goes_on_where_it_was(writegate_broker: MemoryBroker) -> None:
    first, second = islice(observations(), 2)
    publish(first)
    with writegate_broker.away(), pytest.raises(PublishTimeout):
        publish(second, timeout=0.1)
    publish(second)
    assert writegate_broker.published == [first, second]


def test_a_later_report_of_an_hour_replaces_the_earlier_one(
    writegate_broker: MemoryBroker, connection: Connection
) -> None:
    publish(Observe(airport="EWR", hour=NOON, temperature=30.0))
    publish(Observe(airport="EWR", hour=NOON, temperature=31.5))
    publish(Observe(airport="JFK", hour=NOON + timedelta(hours=1)))
    assert {receipt.outcome for receipt in drain(writegate_broker, connection)} == {"applied"}
    rows = connection.execute(select(observation.c.airport, observation.c.temperature).order_by("airport"))
    assert [tuple(row) for row in rows] == [("EWR", 31.5), ("JFK", None)]


def test_what_the_database_refuses_is_parked_alone(writegate_broker: MemoryBroker, connection: Connection) -> None:
    publish_stream(publisher(), islice(observations(), 50))
    publish(Observe(airport="EWR", hour=NOON + timedelta(days=365), humidity=101.0))
    outcomes = [receipt.outcome for receipt in drain(writegate_broker, connection)]
    assert (outcomes.count("applied"), outcomes.count("parked")) == (50, 1)
    assert connection.scalar(select(func.count()).select_from(observation)) == 50
