"""Commands of versions that this writer does not know wait for a limited time, and only some of each publisher."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sample import LANES, Deposit, accounts, delivery, now_millis
from writegate.contract.lanes import lane_of
from writegate.message.envelope import encode, item_of
from writegate_writer.decide.classify import Work, classify
from writegate_writer.decide.deferral import (
    CROWDED_COMMANDS,
    MOST_NEWER_COMMANDS,
    DeferredIndex,
    DeferredRow,
    VersionWait,
    revive,
)
from writegate_writer.decide.holds import holds_of
from writegate_writer.decide.rejections import RejectionStreak
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.store import Opened
from writegate_writer.receive.delivery import Arrived, Refused
from writegate_writer.receive.reading import read

OPENED = Opened(1, 1, datetime(2026, 1, 1, tzinfo=UTC), {}, {}, holds_of(()))


def newer(user: str | None = "shop", version: int = 2) -> Arrived:
    item = replace(item_of(Deposit(account="a", amount=1)), version=version)
    (part,) = read(delivery(encode(item), lane_of("a", LANES), user_id=user), accounts, now_millis())
    assert isinstance(part, Arrived)
    return part


def row_of(command: Arrived, **more: Any) -> DeferredRow:
    return DeferredRow(1, "accounts", 0, command.item, 0, "shop", None, newer=True, **{"limited": True, **more})


def test_it_waits_for_a_limited_time() -> None:
    command = newer()
    plan = classify(Work([command], version_wait=VersionWait(60.0)), OPENED, {})
    assert [(deferral.arrived, deferral.limit_seconds) for deferral in plan.deferred] == [(command, 60.0)]


def test_only_some_of_a_publisher_wait_and_none_of_anothers_count() -> None:
    waiting = {"shop": MOST_NEWER_COMMANDS - 1}
    first, second, other, nobodys = newer(), newer(), newer("bank"), newer(None)
    plan = classify(Work([first, second, other, nobodys], version_wait=VersionWait(60.0, waiting)), OPENED, {})
    assert [deferral.arrived for deferral in plan.deferred] == [first, other, nobodys]
    [parked] = plan.parked
    assert (parked.id, parked.cause.cause, parked.parks_key) == (second.item.id, "unknown-version", False)


def test_it_waits_for_no_other_of_its_key_once_it_is_too_much() -> None:
    """Else one in front would let any number of them wait behind it."""
    work = Work([newer()], version_wait=VersionWait(60.0, {"shop": MOST_NEWER_COMMANDS}), blocks=lambda _: True)
    assert len(classify(work, OPENED, {}).parked) == 1


def test_those_that_are_too_many_do_not_hold_their_type() -> None:
    work = Work([newer() for _ in range(99)], version_wait=VersionWait(60.0, {"shop": MOST_NEWER_COMMANDS}))
    plan = classify(work, OPENED, {})
    assert len(plan.parked) == 99
    assert RejectionStreak().count(work, BatchResult(plan)) == {}


@pytest.mark.parametrize(
    ("overdue", "crowded", "kind"),
    [(False, False, Arrived), (True, False, Refused), (False, True, Refused)],
)
def test_a_replay_parks_it_when_its_time_is_over(overdue: bool, crowded: bool, kind: type) -> None:
    part = revive(row_of(newer(), overdue=overdue), accounts, crowded=crowded)
    assert isinstance(part, kind)
    if isinstance(part, Refused):
        assert part.cause.cause == "unknown-version"


@pytest.mark.parametrize("overdue", [False, True])
def test_a_writer_that_knows_the_version_applies_it_however_late(overdue: bool) -> None:
    part = revive(row_of(newer(version=1), overdue=overdue), accounts, crowded=True)
    assert isinstance(part, Arrived)
    assert not part.newer


def test_the_index_counts_them_by_publisher() -> None:
    index, command = DeferredIndex(), newer()
    index.add(command)
    index.add(newer("bank"))
    assert index.newer == {"shop": 1, "bank": 1}
    index.remove(command, row_of(command, overdue=False))
    assert index.newer["shop"] == 0
    assert not index.crowded
    index.total = CROWDED_COMMANDS
    assert index.crowded
