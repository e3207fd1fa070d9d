"""The demo's judge: totals that can be checked by hand, and a comparison that sees every kind of difference."""

from __future__ import annotations

from datetime import date

import pytest

from tests.demo import oracle
from tests.demo.compare import differences

NAMES = [
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"),
    *("carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour"),
]
ARRIVED = "2013 1 1 517 515 2 830 819 11 UA 1545 N14228 EWR IAH 227 1400 5 15 2013-01-01T10:00:00Z"
CANCELLED = "2013 1 1 NA 1630 NA NA 1815 NA EV 4308 N18120 EWR RDU NA 416 16 30 2013-01-01T21:00:00Z"
DIVERTED = "2013 1 1 1525 1530 -5 1934 1805 NA MQ 4525 N719MQ LGA XNA NA 1147 15 30 2013-01-01T20:00:00Z"
DAY = date(2013, 1, 1)


@pytest.fixture
def rows() -> list[oracle.Row]:
    return [dict(zip(NAMES, line.split(), strict=True)) for line in (ARRIVED, CANCELLED, DIVERTED)]


def test_totals_of_three_flights(rows: list[oracle.Row]) -> None:
    tables = oracle.flight_tables(rows)
    assert tables["flights.airport_day"] == {
        ("EWR", DAY): (1, 1, 2, 1, 0, 11, 227),
        ("LGA", DAY): (1, 0, -5, 0, 1, 0, 0),
    }
    assert tables["flights.carrier_day"]["EV", DAY] == (0, 1, 0, 0, 0, 0, 0)
    assert oracle.fleet_tables(rows)["fleet.airframe"].keys() == {("N14228",)}
    assert oracle.commands(rows) == {"departures": 3, "arrivals": 2, "logged": 1}


def test_only_the_commands_that_count_are_counted(rows: list[oracle.Row]) -> None:
    tables = oracle.flight_tables(rows, arrived=lambda _: False)
    assert tables["flights.airport_day"]["EWR", DAY] == (1, 1, 2, 0, 0, 0, 0)
    assert tables["flights.flight"]["UA1545/2013-01-01/EWR",][-4:] == ("departed", None, None, None)
    assert oracle.flight_tables(rows, departed=lambda _: False)["flights.flight"] == {}


def test_a_year_has_all_its_flights() -> None:
    rows = oracle.scheduled(400_000)
    assert len(rows) == 336_776
    assert len({oracle.key_of(row) for row in rows}) == 336_776


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        ([("N1", 2)], "expected (1,), found (2,)"),
        ([], "expected (1,), found no row"),
        ([("N1", 1), ("N2", 1)], "expected no row, found (1,)"),
    ],
)
def test_every_kind_of_difference_is_seen(found: list[tuple[object, ...]], difference: str) -> None:
    expected: dict[str, oracle.Table] = {"fleet.airframe": {("N1",): (1,)}}
    assert list(differences(expected, lambda _: [("N1", 1)])) == []
    (line,) = differences(expected, lambda _: found)
    assert difference in line
