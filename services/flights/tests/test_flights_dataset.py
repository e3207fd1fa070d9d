"""The recorded flights become commands in time order, whatever is missing in a row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from flights.contract import OfFlight, RecordArrival, RecordDeparture
from flights.dataset import Event, Row, events, in_time_order
from tests.demo import oracle

FLIGHTS = 3_000


@pytest.fixture(scope="module")
def recorded() -> list[Event]:
    return list(events(FLIGHTS))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return oracle.scheduled(FLIGHTS)


def test_events_are_in_time_order(recorded: list[Event]) -> None:
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(recorded))


def test_every_flight_departs_once_before_it_arrives(recorded: list[Event], rows: list[Row]) -> None:
    departed: set[str] = set()
    arrived: set[str] = set()
    for _, command in recorded:
        assert isinstance(command, OfFlight)
        if isinstance(command, RecordDeparture):
            assert command.flight not in departed
            departed.add(command.flight)
        else:
            assert command.flight in departed - arrived
            arrived.add(command.flight)
    assert departed == {oracle.key_of(row) for row in rows}
    assert arrived == {oracle.key_of(row) for row in rows if row["dep_time"] != "NA"}


def test_times_agree_with_those_of_the_time_zone_database(recorded: list[Event], rows: list[Row]) -> None:
    flights = oracle.flight_tables(rows)["flights.flight"]
    for _, command in recorded:
        row = flights[command.flight,]
        if isinstance(command, RecordArrival):
            assert command.arrived_at == row[11]
        elif isinstance(command, RecordDeparture):
            assert (command.scheduled_at, command.departed_at) == (row[6], row[7])


def _row(**changes: str) -> Row:
    return {
        "year": "2013",
        "month": "7",
        "day": "1",
        "hour": "23",
        "minute": "30",
        "time_hour": "2013-07-02T03:00:00Z",
        "carrier": "UA",
        "flight": "1",
        "tailnum": "N1",
        "origin": "EWR",
        "dest": "PHX",
        "distance": "2133",
        "sched_dep_time": "2330",
        "sched_arr_time": "132",
        "dep_time": "2345",
        "dep_delay": "15",
        "arr_time": "140",
        "arr_delay": "8",
        "air_time": "280",
        **changes,
    }


def _arrival(row: Row) -> RecordArrival:
    (arrival,) = (command for _, command in in_time_order([row]) if isinstance(command, RecordArrival))
    return arrival


def test_an_arrival_after_midnight_where_summer_time_is_not_kept() -> None:
    # 23:45 in New York (UTC-4) to 1:40 in Phoenix (UTC-7, summer and winter).
    assert _arrival(_row()).arrived_at == datetime(2013, 7, 2, 8, 40, tzinfo=UTC)


def test_midnight_is_written_2400() -> None:
    assert _arrival(_row(arr_time="2400")).arrived_at == datetime(2013, 7, 2, 7, 0, tzinfo=UTC)


def test_an_airport_that_the_list_lacks() -> None:
    assert _arrival(_row(dest="SJU", arr_time="340")).arrived_at == datetime(2013, 7, 2, 7, 40, tzinfo=UTC)


def test_a_cancelled_flight_is_a_departure_without_a_time() -> None:
    nothing = dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"), "NA")
    ((at, command),) = in_time_order([_row(**nothing)])
    assert isinstance(command, RecordDeparture)
    assert (at, command.departed_at, command.tail) == (command.scheduled_at, None, None)


def test_a_diverted_flight_arrives_without_a_delay() -> None:
    arrival = _arrival(_row(arr_delay="NA", air_time="NA"))
    assert arrival.arrived_at is not None
    assert (arrival.delay_minutes, arrival.air_minutes) == (None, None)


def test_a_diverted_flight_that_never_came_is_given_up_a_day_later() -> None:
    (left, _), (at, arrival) = in_time_order([_row(arr_time="NA", arr_delay="NA", air_time="NA")])
    assert isinstance(arrival, RecordArrival)
    assert (at - left, arrival.arrived_at) == (timedelta(days=1), None)
