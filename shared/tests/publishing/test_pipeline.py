"""The order rule of publishing: one unconfirmed message per key, everything else flows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sample import item
from writegate.errors import QueueFull
from writegate.message.body import MAX_BODY_BYTES
from writegate.message.envelope import PACK_BYTES, Item, encode_many
from writegate.message.topology import Route
from writegate.publishing.pipeline import Call, Parcel, Pipeline, pack

ROUTE = Route("writes.accounts", "0")
SIZES = [0, 1000, 100_000, PACK_BYTES - 200]


@dataclass
class Harness:
    """A broker that takes or refuses parcels in any order, and what the pipeline promised about them."""

    pipeline: Pipeline = field(default_factory=Pipeline)
    holding: bool = False  # what may travel until :meth:`flush`
    ready: list[Parcel] = field(default_factory=list)
    sent: list[Parcel] = field(default_factory=list)
    travelling: list[Parcel] = field(default_factory=list)
    added: dict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    settled: list[str] = field(default_factory=list)
    calls: dict[int, list[Exception | None]] = field(default_factory=dict)
    count: int = 0

    def call(self, parcels: list[list[tuple[str | None, int, int]]], *, headers: bool = False) -> None:
        """One call that hands in parcels of (key, size, route)."""
        number = len(self.calls)
        ends = self.calls[number] = []
        call = Call(ends.append, None, "first", spool_at=0.0)
        made = []
        for contents in parcels:
            items = [self.made(key, size) for key, size, _ in contents]
            route = ROUTE
            made.append(Parcel(route, items, call, {"x": 1} if headers else None))
        for parcel in made:
            if self.pipeline.add(parcel):
                self.free(parcel)

    def made(self, key: str | None, size: int) -> Item:
        self.count += 1
        made = item(key, b'{"text":"' + b"x" * size + b'"}', f"c-{self.count:036}")
        self.added[key].append(made.id)
        return made

    def free(self, parcel: Parcel) -> None:
        self.ready.append(parcel)
        if not self.holding:
            self.flush()

    def flush(self) -> None:
        while self.ready:
            head = self.ready.pop(0)
            while self.ready and self.pipeline.joins(head, self.ready[0]):
                self.ready.pop(0)
            self.go(head)

    def spool(self) -> None:
        """Take all that is left out of the pipeline, as a lane's way into the spool does."""
        for parcel in self.pipeline.take_lane(ROUTE):
            for command in parcel.items:
                self.taken[command.key].append(command.id)
            self.settled += [command.id for command in parcel.items]
            parcel.settle(None)
        self.ready = [parcel for parcel in self.ready if not parcel.superseded]
        self.travelling = [parcel for parcel in self.travelling if not parcel.superseded]

    def go(self, parcel: Parcel) -> None:
        parcel.sent = True
        busy = {key for other in self.travelling for key in other.keys}
        assert not busy & set(parcel.keys), "two unconfirmed messages of one key"
        assert len(parcel.items) == 1 or len(encode_many("m" * 36, parcel.items).body) <= MAX_BODY_BYTES
        self.travelling.append(parcel)
        self.sent.append(parcel)
        for command in parcel.items:
            self.taken[command.key].append(command.id)

    def settle(self, index: int, *, ok: bool) -> None:
        parcel = self.travelling.pop(index % len(self.travelling))
        self.settled += [command.id for command in parcel.items]
        parcel.settle(None if ok else QueueFull(parcel.items[0].id, "full"))
        for freed in self.pipeline.settle(parcel):
            self.free(freed)


keys = st.none() | st.sampled_from("abc")
one_key = st.tuples(keys, st.sampled_from(SIZES), st.just(0)).map(lambda one: [one])
mixed = st.lists(st.tuples(keys, st.just(10), st.just(0)), min_size=1, max_size=4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.lists(one_key | mixed, min_size=1, max_size=3), st.booleans()),
        st.tuples(st.just("settle"), st.integers(0, 50), st.booleans()),
        st.tuples(st.just("flush"), st.none(), st.none()),
    ),
    max_size=60,
)


@given(steps, st.booleans(), st.booleans())
@settings(max_examples=400)
def test_any_history_keeps_order_per_key_and_loses_nothing(
    history: list[tuple[str, object, bool]], holding: bool, spool: bool
) -> None:
    run = Harness(holding=holding)
    for what, detail, flag in history:
        if what == "call":
            run.call(detail, headers=flag)  # type: ignore[arg-type]
        elif what == "flush":
            run.flush()
        elif run.travelling:
            run.settle(detail, ok=flag)  # type: ignore[arg-type]
    if spool:
        run.spool()
    run.flush()
    while run.travelling:
        run.settle(0, ok=True)
        run.flush()
    for key, ids in run.added.items():
        # What was on its way when it went to the spool is sent once more from there.
        came = list(dict.fromkeys(run.taken[key]))
        if key is None:
            assert sorted(came) == sorted(ids)
        else:
            assert came == ids
    assert sorted(run.settled) == sorted(command_id for ids in run.added.values() for command_id in ids)
    assert all(len(ends) == 1 for ends in run.calls.values()), "a call ends exactly once"
    assert run.pipeline.waiting == 0


def test_keys_do_not_wait_for_each_other() -> None:
    run = Harness()
    for key in ("a", "b", None, None):
        run.call([[(key, 0, 0)]])
    assert len(run.travelling) == 4


def test_what_waits_for_a_key_travels_packed_in_the_next_message() -> None:
    run = Harness()
    for _ in range(100):
        run.call([[("a", 0, 0)]])
    assert (len(run.sent), run.pipeline.waiting) == (1, 99)
    run.settle(0, ok=True)
    assert [len(parcel.items) for parcel in run.sent] == [1, 99]
    assert run.pipeline.waiting == 0


def test_what_may_travel_at_the_same_time_travels_in_one_message_and_then_holds_all_its_keys() -> None:
    run = Harness(holding=True)
    for key in ("a", "b", None, "c"):
        run.call([[(key, 0, 0)]])
    run.call([[("b", 0, 0)]])
    run.flush()
    (first,) = run.sent
    assert [command.key for command in first.items] == ["a", "b", None, "c"]
    assert run.pipeline.waiting == 1
    run.settle(0, ok=False)
    run.flush()
    errors = [ends[0] for ends in list(run.calls.values())[:4] if isinstance(ends[0], QueueFull)]
    assert len(errors) == 4, "each call gets the error of its own command"
    assert [command.key for command in run.sent[1].items] == ["b"]


def test_packing_stops_at_the_size_cap() -> None:
    run = Harness()
    for _ in range(7):
        run.call([[("a", 100_000, 0)]])
    while run.travelling:
        run.settle(0, ok=True)
    assert [len(parcel.items) for parcel in run.sent] == [1, 2, 2, 2]


def test_what_has_headers_of_its_own_is_not_joined_to_others() -> None:
    run = Harness()
    for headers in (False, True, False, False):
        run.call([[("a", 0, 0)]], headers=headers)
    while run.travelling:
        run.settle(0, ok=True)
    assert [len(parcel.items) for parcel in run.sent] == [1, 1, 2]


def test_a_refused_message_fails_its_own_calls_only() -> None:
    run = Harness()
    for _ in range(3):
        run.call([[("a", 0, 0)]])
    run.settle(0, ok=False)
    run.settle(0, ok=True)
    assert [type(ends[0]) for ends in run.calls.values()] == [QueueFull, type(None), type(None)]


def test_a_call_of_several_messages_ends_with_the_last_and_reports_the_first_error() -> None:
    run = Harness()
    run.call([[("a", 0, 0)], [("b", 0, 0)], [("c", 0, 0)]])
    run.settle(2, ok=False)
    run.settle(0, ok=False)
    assert run.calls[0] == []
    run.settle(0, ok=True)
    (error,) = run.calls[0]
    assert isinstance(error, QueueFull)
    assert error.command_id.endswith("3")


@given(st.lists(st.tuples(keys, st.sampled_from(SIZES))))
def test_packs_fit_a_message_and_keep_order(contents: list[tuple[str | None, int]]) -> None:
    items = [item(key, b"x" * size, f"c-{number}") for number, (key, size) in enumerate(contents)]
    packs = pack(items)
    assert [command for packed in packs for command in packed] == items
    for packed, following in pairwise(packs):
        assert len(encode_many("m" * 36, packed).body) <= MAX_BODY_BYTES
        assert len(encode_many("m" * 36, [*packed, following[0]]).body) > PACK_BYTES - 100 * (len(packed) + 1) - 1000
