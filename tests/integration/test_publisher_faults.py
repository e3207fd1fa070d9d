"""A publisher while its broker is short of memory, or dies."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.broker import DEADLINE_SECONDS, Vhost, eventually, memory_alarm, vhost_of
from tests.deadlines import patient
from tests.sample import LANES, Deposit, Note, accounts
from tests.servers import Servers
from writegate.contract.lanes import lane_of
from writegate.errors import PublishTimeout, RetryablePublishError
from writegate.publishing import Publisher

KEYS = [f"k-{number}" for number in range(8)]


@pytest.fixture
def vhost(servers: Servers) -> Iterator[Vhost]:
    with vhost_of(servers, "publisher-faults") as made:
        made.declare(accounts)
        yield made


def test_a_broker_short_of_memory_is_named_within_the_time_limit(vhost: Vhost) -> None:
    late = Note(text="late")
    with Publisher(vhost.settings()) as publisher:
        publisher.publish(Note(text="before"))
        with memory_alarm(vhost.servers):

            def named() -> bool:
                """Whether the broker's block is given as the reason: it may say so after a call's time limit."""
                started = time.monotonic()
                # The message itself is what makes the broker say so.
                with pytest.raises(PublishTimeout) as raised:
                    publisher.publish(late, timeout=0.5)
                assert time.monotonic() - started < patient(10)
                assert raised.value.retryable
                return "the broker blocks publishers: low on memory" in str(raised.value)

            eventually(named, "the broker's block is named")
            blocked = not publisher.connected
        assert blocked
        publisher.publish(late)
        assert publisher.connected
    assert {item.id for one in vhost.take(accounts, 0, 2) for item in one.items} >= {late.command_id}


class Sender:
    """Publishes commands of one key, each again until it is accepted."""

    def __init__(self, publisher: Publisher, key: str) -> None:
        self._publisher = publisher
        self.key = key
        self.accepted: list[str] = []
        self.ending = threading.Event()
        self.longest_seconds = 0.0

    def reached(self, goal: int) -> bool:
        return len(self.accepted) > goal

    def run(self) -> None:
        amount = 0
        while not self.ending.is_set():
            amount += 1
            self._until_accepted(Deposit(account=self.key, amount=amount))

    def _until_accepted(self, command: Deposit) -> None:
        deadline = time.monotonic() + 2 * DEADLINE_SECONDS
        while True:
            started = time.monotonic()
            try:
                self.accepted.append(self._publisher.publish(command, timeout=3).command_id)
            except RetryablePublishError:
                assert time.monotonic() < deadline
            else:
                return
            finally:
                self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)


def test_a_broker_that_dies_loses_nothing_accepted_and_inverts_no_key(vhost: Vhost) -> None:
    stack = vhost.servers.stack
    with Publisher(vhost.settings()) as publisher, ThreadPoolExecutor(len(KEYS)) as threads:
        senders = [Sender(publisher, key) for key in KEYS]
        running = [threads.submit(sender.run) for sender in senders]

        def publish_more(when: str) -> None:
            goals = [len(sender.accepted) + 30 for sender in senders]
            eventually(
                lambda: any(one.done() for one in running) or all(map(Sender.reached, senders, goals)),
                f"commands accepted {when}",
            )
            for one in running:
                assert not one.done() or one.result() is None

        try:
            publish_more("before")
            died = stack.kill("rabbitmq", signal.SIGKILL)
            stack.wait_ready("rabbitmq", other_than=died)
            publish_more("after")
        finally:
            for sender in senders:
                sender.ending.set()
        for one in running:
            one.result(3 * DEADLINE_SECONDS)
    assert all(sender.longest_seconds < 4 for sender in senders), "no call is held beyond its limit"
    came: dict[str | None, list[str]] = {key: [] for key in KEYS}
    for lane in {lane_of(key, LANES) for key in KEYS}:
        here = sum(len(sender.accepted) for sender in senders if lane_of(sender.key, LANES) == lane)
        for message in vhost.take(accounts, lane, here):
            for item in message.items:
                came[item.key].append(item.id)
    for sender in senders:
        # A message sent again after the connection was lost may be there twice; the ledger knows its ids.
        assert list(dict.fromkeys(came[sender.key])) == sender.accepted
