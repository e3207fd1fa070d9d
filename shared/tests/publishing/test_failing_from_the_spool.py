"""A chain of one key's commands leaves the spool, and its first one fails: nothing behind it may overtake it."""

# ruff: noqa: ARG002  the signatures are given by what the engine asks for
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pika
import pytest

from tests.sample import item
from writegate.message.envelope import decode
from writegate.message.topology import Route
from writegate.publishing.engine import Engine
from writegate.publishing.pipeline import Call, Pipeline, parcels_of
from writegate.publishing.spool import Entry, Spool
from writegate.publishing.wire import Listener

LANE = Route("writes.accounts", "0")
TRACED = {"traceparent": "00-1"}  # does not travel in one message with what is not
LATER = 10**9  # a time that does not come


class Hand:
    """A :class:`~writegate.publishing.wire.Carrier` that a test works by hand: nothing happens by itself."""

    def __init__(self, listener: Listener) -> None:
        self.user = "accounts"
        self.last_error = ""
        self.channel: object | None = object()
        self.sent: list[list[str]] = []  # the commands of each message
        self._timers: list[Callable[[], None]] = []
        self._listener = listener

    @property
    def running(self) -> bool:
        return True

    def start(self) -> None:
        """It is there from the beginning."""

    def stop(self, timeout: float) -> None:
        """It stays."""

    def post(self, work: Callable[[], None]) -> None:
        work()

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        self._timers.append(work)

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        assert Route(exchange, routing_key) == LANE
        items = decode(body, properties.headers, {"content_type": properties.content_type})
        self.sent.append([item.id for item in items])

    def reply(self, reply_to: str, body: bytes, properties: pika.BasicProperties) -> None:
        raise AssertionError("nobody replies here")

    def time_passes(self) -> None:
        """Let all come that is due later."""
        due, self._timers = self._timers, []
        for work in due:
            work()


class Chain:
    """Three commands of a key in the spool, in three messages, of which the first is sent; a fourth has come."""

    def __init__(self, directory: Path) -> None:
        self.spool = Spool(directory, limit_bytes=10**6, limit_seconds=LATER)
        self.spool.append([[entry("one"), entry("two", TRACED), entry("three")]])
        self.hand: Hand
        self.engine = Engine(self._wire, "accounts", lambda *_: None, spool=self.spool)
        self.engine.on_up()
        self.ends: list[Exception | None] = []
        call = Call(self.ends.append, LATER, "four", spool_at=LATER)
        self.engine.submit(call, parcels_of([(LANE, entry("four").item)], call))
        assert self.hand.sent == [["one"]]  # the others wait for its confirm

    def _wire(self, listener: Listener) -> Hand:
        self.hand = Hand(listener)
        return self.hand

    def fail(self) -> None:
        """The queue is missing when the first one arrives, and is there again right after."""
        self.engine.on_return("one", "NO_ROUTE")
        self.engine.on_confirm(1, multiple=False, ok=True)

    def confirm_all(self) -> None:
        """From now on all is taken."""
        for _ in range(10):
            self.hand.time_passes()
            self.engine.on_confirm(len(self.hand.sent), multiple=True, ok=True)

    def order(self) -> Sequence[str]:
        """In which order they left, but for what failed."""
        return [command_id for message in self.hand.sent[1:] for command_id in message]


def entry(name: str, headers: dict[str, str] | None = None) -> Entry:
    return Entry(LANE, item("key", b"{}", name), headers)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def test_what_is_behind_one_that_failed_waits_in_the_spool_for_it(chain: Chain) -> None:
    chain.fail()
    assert chain.hand.sent == [["one"]]
    assert chain.ends == [None]  # the fourth is in the spool, behind the others
    assert [one.item.id for _, one in chain.spool.read(LANE, 10)] == ["one", "two", "three", "four"]
    chain.confirm_all()
    assert chain.order() == ["one", "two", "three", "four"]
    assert chain.engine.spool_empty


def test_without_taking_back_the_second_overtakes_the_first(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "take_unsent", lambda *_: [])
    chain.fail()
    assert chain.hand.sent == [["one"], ["two"]]


def test_without_turning_off_what_came_later_overtakes_all(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "_divert", lambda *_: None)
    chain.fail()
    assert chain.hand.sent == [["one"], ["four"]]
