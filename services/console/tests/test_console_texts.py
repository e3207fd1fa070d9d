"""What the reading commands make of rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from writegate.contract.ids import millis_of, new_id
from writegate_console.gate.connections.counts import Counters, Difference, Direct, compare
from writegate_console.gate.status.screen import Depth, lanes_of, out_of
from writegate_console.gate.trace.story import Found, events
from writegate_console.gate.who.row_author import EPOCH, full_xid

NOW = datetime(2100, 1, 1, tzinfo=UTC)
LANE = {"service": "flights", "lane": 1, "domain": "flights", "owner": "w1"}


def test_a_story_is_told_in_order_of_time_and_ends_with_what_has_none() -> None:
    id_ = new_id()
    deferred = {"deferred_at": NOW, "service": "flights", "origin": "web", "reason": "hold", "state": "deferred"}
    ledger = {"outcome": "a", "committed_at": NOW + timedelta(seconds=1), "service": "flights", "batch": 1}
    happened = events(Found(id_, ("flights",), ledger=[ledger], deferred=[deferred]))
    assert [one.what for one in happened] == ["published", "deferred", "applied", "waits"]
    published = happened[0]
    assert published.at is not None
    assert round(published.at.timestamp() * 1000) == millis_of(id_)
    assert published.detail == {"by": "web"}


def test_an_id_alone_proves_nothing() -> None:
    assert not Found(new_id(), ("flights",)).anything


@pytest.mark.parametrize(
    ("xmin", "next_xid", "expected"),
    [
        (700, 1000, 700),
        (700, EPOCH + 1000, EPOCH + 700),
        (EPOCH - 5, EPOCH + 1000, EPOCH - 5),  # written before the numbers wrapped
        (1000, 1000, None),  # not in the past, and there is no epoch before
        (1000, EPOCH + 1000, 1000),
        (2, EPOCH + 1000, None),  # frozen by an old server
    ],
)
def test_a_short_transaction_number_is_the_newest_in_the_past(xmin: int, next_xid: int, expected: int | None) -> None:
    assert full_xid(xmin, next_xid) == expected


def test_a_revoke_quotes_names_and_leaves_public_alone() -> None:
    one = Direct('odd"role', "flights", "airport_day", ("INSERT", "UPDATE"), 1)
    assert one.revoke == 'REVOKE INSERT, UPDATE ON "flights"."airport_day" FROM "odd""role";'
    assert Direct("PUBLIC", "flights", "a", ("DELETE",), 0).revoke == 'REVOKE DELETE ON "flights"."a" FROM PUBLIC;'


def test_counters_are_compared_each() -> None:
    assert compare(Counters(64, 3, 9, 30), Counters(5, 0, 0, 30))[0] == Difference("connections", 64, 5)


def test_what_waits_is_estimated_by_what_goes_out() -> None:
    lanes = lanes_of([LANE], {"writes.flights.1": Depth(120, 3.0)})
    row = {"service": "flights", "commands": 600, "batches": 6, "last_commit": NOW}
    [out] = out_of([row], lanes, 60.0)
    assert (out.out_per_second, out.mean_batch, out.drained_in_seconds) == (10.0, 100.0, 12.0)


def test_nothing_is_estimated_without_a_depth_or_a_rate() -> None:
    idle = {"service": "flights", "commands": 0, "batches": 0, "last_commit": None}
    [unknown] = out_of([idle], lanes_of([LANE], {}), 60.0)
    [stuck] = out_of([idle], lanes_of([LANE], {"writes.flights.1": Depth(5, 0.0)}), 60.0)
    assert (unknown.drained_in_seconds, stuck.drained_in_seconds) == (None, None)
