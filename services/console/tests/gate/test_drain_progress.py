"""What a drain waits for."""

from __future__ import annotations

import pytest

from writegate.contract.lanes import lane_of
from writegate.contract.targets import parse
from writegate_console.gate.drain.progress import QueueCount, QueueProgress, covering_hold, lanes_of

LANES = {("flights", 0): "flights", ("flights", 1): "flights", ("fleet", 0): "fleet"}
TABLES = {"flights": ["flights.flight", "public.day"], "fleet": ["fleet.airframe"]}


@pytest.mark.parametrize(
    ("target", "lanes"),
    [
        ("flights", [("flights", 0), ("flights", 1)]),
        ("flights.1", [("flights", 1)]),
        ("flights.land", [("flights", 0), ("flights", 1)]),
        ("flights key=UA1", [("flights", lane_of("UA1", 2))]),
        ("table:day", [("flights", 0), ("flights", 1)]),
        ("table:fleet.airframe", [("fleet", 0)]),
    ],
)
def test_where_the_commands_for_a_target_travel(target: str, lanes: list[tuple[str, int]]) -> None:
    assert lanes_of(parse(target), LANES, TABLES) == lanes


def test_a_queue_is_drained_when_as_much_is_acknowledged_as_was_in_it() -> None:
    queues = QueueProgress()
    assert queues.remaining({"q": QueueCount(10, 100), "empty": QueueCount(0, 7)}) == {"q": 10}
    # Others came meanwhile: they are not waited for.
    assert queues.remaining({"q": QueueCount(12, 105), "empty": QueueCount(3, 7)}) == {"q": 5}
    assert queues.remaining({"q": QueueCount(20, 110), "empty": QueueCount(3, 9)}) == {}


def test_a_counter_that_begins_anew_counts_for_nothing_and_an_empty_queue_for_all() -> None:
    queues = QueueProgress()
    assert queues.remaining({"q": QueueCount(10, 100)}) == {"q": 10}
    assert queues.remaining({"q": QueueCount(8, 0)}) == {"q": 8}
    assert queues.remaining({"q": QueueCount(0, 0)}) == {}


@pytest.mark.parametrize(
    ("target", "holds", "stops"),
    [
        ("flights", ["flights"], "flights"),
        ("flights", ["flights.0"], None),
        ("flights.0", ["flights"], "flights"),
        ("flights.land", ["flights"], "flights"),
        ("flights.land", ["flights.start"], None),
        ("flights key=UA1", [f"flights.{lane_of('UA1', 2)}"], f"flights.{lane_of('UA1', 2)}"),
        ("table:public.day", ["table:public.day"], "table:public.day"),
        ("table:public.day", ["flights"], None),
    ],
)
def test_a_hold_that_stops_all_of_a_target(target: str, holds: list[str], stops: str | None) -> None:
    found = parse(target)
    assert covering_hold(found, lanes_of(found, LANES, TABLES), holds) == stops
