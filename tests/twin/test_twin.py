"""The batching writer leaves what a naive one leaves, whatever it is given and however that is cut into batches.

EXAMPLES in the environment says how many streams are tried; they are others each time then.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any
from unittest import mock

import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from tests.twin.batching import BatchingWriter, Cut
from tests.twin.databases import Databases, content, run
from tests.twin.stock.contract import AddIfNew, Careful, Move, Place
from tests.twin.streams import CUTS, STREAMS
from writegate.contract.command import Command
from writegate.contract.ids import ledger_id
from writegate.message.receipt import Cause, Receipt
from writegate_writer.apply import transaction
from writegate_writer.decide import search as decide_search
from writegate_writer.decide.bisection import Isolation, Span
from writegate_writer.receive.delivery import Arrived

_EXAMPLES = os.environ.get("EXAMPLES")
# Where many are asked for, two processes may try half of them each.
_SHARES = 1 if _EXAMPLES is None else 2
_PROFILE = settings(
    max_examples=max(1, int(_EXAMPLES or 150) // _SHARES),
    derandomize=_EXAMPLES is None,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
)
# What people and time do about commands that wait. When nothing comes of it so often, they would wait for ever.
_GIVE_UP = """
update writegate.parked set state = 'dropped' where state = 'parked';
update writegate.domain set revision = revision + 1;
update writegate.deferred set not_after = clock_timestamp() where not_after is not null
"""
_MOST_IN_VAIN = 3
_ALL = Cut(commands=1000, packed=1, delivered=0, hold=None, replayed=True)


def leave_the_same(both: Databases, stream: list[Command], cuts: list[Cut]) -> None:
    """Give a stream to both writers; fail when they differ."""
    naive, batching = both.writers()
    naive.apply(stream)
    naive.settle()
    batching.take_in(stream)
    for cut in itertools.cycle(cuts):
        if not batching.queued:
            break
        apply(both, batching, cut)
    settle(both, batching)
    compare("rows", content(both.batching), content(both.naive))
    compare("answers", answers(batching.receipts, naive.receipts), answers(naive.receipts, batching.receipts))
    compare("decisions", recorded(both), to_be_recorded(naive.receipts))


def compare(what: str, found: Counter[Any], expected: Counter[Any]) -> None:
    more, less = "\n  ".join(map(str, found - expected)), "\n  ".join(map(str, expected - found))
    assert found == expected, f"{what}\nonly of the batching writer:\n  {more}\nonly of the naive one:\n  {less}"


def apply(both: Databases, batching: BatchingWriter, cut: Cut) -> None:
    """Apply a batch, with what happens around it."""
    if cut.replayed:
        batching.replay()
    with both.held(cut.hold):
        batching.batch(cut)


def settle(both: Databases, batching: BatchingWriter) -> None:
    """Bring to an end what waits: first whatever can still be applied, then people and time decide."""
    drain(both, batching)
    in_vain = 0
    while batching.waiting:
        before = batching.waiting
        run(both.batching, _GIVE_UP)
        drain(both, batching)
        in_vain = in_vain + 1 if batching.waiting == before else 0
        assert in_vain < _MOST_IN_VAIN, f"{before} commands wait, and nothing will end that"


def drain(both: Databases, batching: BatchingWriter) -> None:
    """Apply what is queued and what waits until nothing comes of it any more."""
    before = None
    while batching.queued or batching.waiting != before:
        before = batching.waiting
        apply(both, batching, _ALL)


def answers(receipts: Sequence[Receipt], others: Sequence[Receipt]) -> Counter[str]:
    """Return all answers; for ids that were deferred by either writer only the decisions.

    Where its parent comes in the same batch a command need not wait for it, and then its next delivery is a duplicate.
    """
    deferred = {receipt.id for receipt in (*receipts, *others) if receipt.outcome == "deferred"}
    return Counter(repr(receipt) for receipt in receipts if receipt.id not in deferred or decides(receipt))


def decides(receipt: Receipt) -> bool:
    return receipt.outcome == "applied" or (receipt.outcome in {"declined", "parked"} and receipt.cause is not None)


def recorded(both: Databases) -> Counter[Any]:
    """Return what the ledger and the parked commands say."""
    known = run(both.batching, "select id::text, outcome from writegate.ledger")
    parked = run(both.batching, "select id, cause, sqlstate, message from writegate.parked")
    return Counter([*known, *set(parked)])


def to_be_recorded(receipts: Sequence[Receipt]) -> Counter[Any]:
    """Return what they should say, given the naive writer's answers."""
    decisions = [receipt for receipt in receipts if decides(receipt)]
    known = [
        (ledger_id(receipt.id), receipt.outcome[0])
        for receipt in decisions
        if receipt.cause is None or not reused(receipt.cause)
    ]
    parked = {
        (receipt.id, receipt.cause.cause, receipt.cause.sqlstate, receipt.cause.message)
        for receipt in decisions
        if receipt.cause and receipt.outcome == "parked"
    }
    return Counter([*known, *parked])


def reused(cause: Cause) -> bool:
    """Whether it says nothing about the command whose id it is."""
    return cause.cause == "id-reused"


def try_streams(both: Databases, profile: settings) -> None:
    """Search for a stream with which they differ."""

    @profile
    @given(stream=STREAMS, cuts=st.lists(CUTS, min_size=1, max_size=6))
    def compare(stream: list[Command], cuts: list[Cut]) -> None:
        note("\n".join(f"{command.command_id} {command!r}" for command in stream))
        leave_the_same(both, stream, cuts)

    compare()


@pytest.mark.slow
@pytest.mark.timeout(600 + 5 * int(_EXAMPLES or 0))
@pytest.mark.parametrize("share", range(_SHARES))
def test_both_leave_the_same(both: Databases, share: int) -> None:
    try_streams(both, _PROFILE)


# What the property has found: such streams differed once.
FOUND: dict[str, list[Command]] = {
    "a follower whose parent is missing as well": [
        Place(article="cup", shelf="north"),
        Place(article="cup", shelf="south"),
    ],
    "a rejection that rested on a command at fault": [
        Move(article="cup", change=1),
        Move(article="cup", change=-1, fee=-1),
        Move(article="cup", change=-1),
    ],
    "of rows that exclude each other the first one stays": [
        AddIfNew(article="cup", slot=slot, code="x", weight=1, note="") for slot in (2, 1)
    ],
}


@pytest.mark.parametrize("case", FOUND)
def test_both_leave_the_same_of_what_was_found(both: Databases, case: str) -> None:
    leave_the_same(both, FOUND[case], [_ALL])


def test_when_a_key_is_to_wait_only_its_first_bad_command_is_parked(both: Databases) -> None:
    _, batching = both.writers()
    batching.take_in([Careful(article="cup", change=-1), Careful(article="cup", change=-2)])
    batching.batch(_ALL)
    assert [receipt.outcome for receipt in batching.receipts] == ["parked", "deferred"]


def by_type_only(batch: Sequence[Arrived]) -> list[list[Arrived]]:
    """Runs that mix up the types of a key."""
    runs: dict[str, list[Arrived]] = {}
    for entry in batch:
        runs.setdefault(entry.item.task, []).append(entry)
    return list(runs.values())


class Careless(Isolation):
    """A bisection that takes the neighbour for bad as well."""

    def failed(self, suspect: int | None = None) -> Span | None:
        span = super().failed(suspect)
        if span is not None and self._left and not self._left[-1].faulty:
            self._left.pop()
        return span


CONTROLS = {
    "runs that reorder a key": partial(mock.patch.object, transaction, "runs_of", by_type_only),
    "a bisection that drops a good command": partial(mock.patch.object, decide_search, "Isolation", Careless),
}


@pytest.mark.parametrize("broken", CONTROLS)
def test_a_writer_with_a_fault_is_found_out(both: Databases, broken: str) -> None:
    search = settings(_PROFILE, max_examples=150, phases=[Phase.generate])
    with CONTROLS[broken](), pytest.raises(AssertionError):
        try_streams(both, search)
