"""What events to a command, from its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from writegate.contract.ids import millis_of, new_id
from writegate_console.gate.trace.story import CommandRows, events_of

NOW = datetime(2100, 1, 1, tzinfo=UTC)


def test_events_are_in_order_of_time_and_end_with_those_without_a_time() -> None:
    id_ = new_id()
    deferred = {"deferred_at": NOW, "service": "flights", "origin": "web", "reason": "hold", "state": "deferred"}
    ledger = {"outcome": "a", "committed_at": NOW + timedelta(seconds=1), "service": "flights", "batch": 1}
    events = events_of(CommandRows(id_, ("flights",), ledger=[ledger], deferred=[deferred]))
    assert [event.what for event in events] == ["published", "deferred", "applied", "waiting"]
    published = events[0]
    assert published.at is not None
    assert round(published.at.timestamp() * 1000) == millis_of(id_)
    assert published.detail == {"by": "web"}


def test_a_declined_command_says_why() -> None:
    ledger = {"outcome": "d", "committed_at": NOW, "service": "shop", "reason": "no stock", "result": None}
    event = events_of(CommandRows("order 7", ("shop",), ledger=[ledger]))[0]
    assert (event.what, event.detail) == ("declined", {"service": "shop", "reason": "no stock"})


def test_an_id_alone_proves_nothing() -> None:
    assert not CommandRows(new_id(), ("flights",)).anything
