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


def test_a_target_that_means_nothing_stops_nothing() -> None:
    holds = holds_of([("what is this?", "x")])
    assert holds.on_command("flights.start", "k", ["flights.day"]) is None
    assert holds.on_lane("flights", 0) is None
