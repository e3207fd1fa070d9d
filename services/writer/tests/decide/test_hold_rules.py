"""Holds: what a target means, and what it stops."""

from __future__ import annotations

import pytest

from writegate.contract.targets import Target, TargetError, parse
from writegate_writer.decide.holds import holds_of


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("flights", Target("flights")),
        ("flights.0", Target("flights", lane=0)),
        ("flights.record_departure", Target("flights", task="flights.record_departure")),
        ("flights key=UA123", Target("flights", key="UA123")),
        ("flights key=a b=c", Target("flights", key="a b=c")),
        ("table:flights.airport_day", Target(table="flights.airport_day")),
    ],
)
def test_forms(text: str, target: Target) -> None:
    assert parse(text) == target


@pytest.mark.parametrize("text", ["", "Flights", "flights.", "flights.a.b", "table:", "flights key=", "key=UA123"])
def test_nonsense_names_the_forms(text: str) -> None:
    with pytest.raises(TargetError, match=r"expected one of flights \| flights\.0"):
        parse(text)


def test_a_lane_or_a_service_stops_consuming() -> None:
    holds = holds_of([("flights.2", "a"), ("fleet", "b")])
    assert holds.on_lane("flights", 2) == "held: a"
    assert holds.on_lane("flights", 1) is None
    assert holds.on_lane("fleet", 0) == "held: b"
    assert holds.on_command("flights.record_departure", "k", []) is None


def test_less_than_a_lane_defers_commands() -> None:
    holds = holds_of([("flights.land", "type"), ("flights key=k", "key"), ("table:flights.day", "table")])
    assert holds.on_command("flights.land", None, []) == "held: type"
    assert holds.on_command("flights.start", "k", []) == "held: key"
    assert holds.on_command("fleet.start", "k", []) is None
    assert holds.on_command("flights.start", None, ["flights.day"]) == "held: table"
    assert holds.on_lane("flights", 0) is None


SERVICES = ["fleet", "flights", "writegate"]


@pytest.mark.parametrize("text", ["what is this?", "Flights", "table:", "writegate.a.b", "", "weather.a.b"])
def test_a_target_that_cannot_be_read_and_names_no_service_stops_all_but_the_built_in_one(text: str) -> None:
    holds = holds_of([("fleet.1", "a"), (text, "migration")], SERVICES)
    for service, lane in (("flights", 0), ("fleet", 0), ("fleet", 1)):
        assert "migration" in str(holds.on_lane(service, lane))
    assert holds.on_lane("writegate", 0) is None
    assert list(holds.unreadable) == [text]


@pytest.mark.parametrize("text", ["flights.a.b", "flights key=", "flights 0"])
def test_a_target_that_cannot_be_read_stops_the_service_with_whose_name_it_begins(text: str) -> None:
    holds = holds_of([(text, "migration")], SERVICES)
    assert "migration" in str(holds.on_lane("flights", 0))
    assert holds.on_lane("fleet", 0) is None
    assert holds.on_lane("writegate", 0) is None
