"""``python -m tests.faults.outage --minutes 35``: the database is away for longer than the broker waits for writers.

RabbitMQ closes the channel of a consumer that keeps a message for longer than its ``consumer_timeout`` (half an
hour). A writer must have let go of its messages by then. With ``--minutes 35`` the broker's own limit is in force;
for less the limit is shortened to a third of the outage. That it is in force is shown each time: a consumer that
acknowledges nothing runs into it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final, Self

import pika
from pika.exceptions import ChannelClosedByBroker

from tests.broker import rabbitmqctl
from tests.deadlines import patient
from tests.faults.budget import Budget
from tests.faults.memory import resident_bytes
from tests.integration.gate import Gate, gate_running
from tests.integration.load import Load
from tests.servers import Servers, servers_running
from writegate.config import Settings

WRITERS: Final = ("writer-1", "writer-2")
CONNECTIONS: Final = 6  # two slots and one for control, for each writer
PACE_SECONDS: Final = 0.2  # between two calls of 40 commands: 200 a second
OWN_LIMIT_SECONDS: Final = 1800.0  # deploy/rabbitmq/rabbitmq.conf
PATIENCE_SECONDS: Final = patient(900)
TIMED_OUT: Final = "timed out waiting for delivery acknowledgement"  # in the broker's log
NEGLIGENT: Final = 2000  # a channel number that no writer comes to


@dataclass
class Figures:
    """What was seen. Sizes in bytes, times in seconds since the database went away, unless they say otherwise."""

    consumer_timeout_seconds: float
    seconds_down: float = 0.0
    accepted_before: int = 0
    accepted_meanwhile: int = 0
    let_go_after: float | None = None  # no writer holds any message
    limit_struck_after: float | None = None  # the negligent consumer's channel was closed
    resident_before: int = 0  # the largest writer
    resident_most: int = 0
    waiting_most: int = 0  # messages in the writers
    drained_seconds_after_return: float = 0.0
    connections_most: int = 0


@contextmanager
def consumer_timeout(servers: Servers, seconds: float) -> Iterator[Callable[[], list[str]]]:
    """Have the broker's limit on unacknowledged messages at so many seconds, for channels opened from now on.

    Yields a function that returns what the broker has logged of channels that it closed for that since.
    """
    log = servers.stack.log("rabbitmq")
    before = log.stat().st_size

    def limit(timeout: float, look_every: float) -> None:
        for name, value in (("consumer_timeout", timeout), ("channel_tick_interval", look_every)):
            rabbitmqctl(servers, "eval", f"application:set_env(rabbit, {name}, {round(value * 1000)}).")

    def closed() -> list[str]:
        lines = log.read_bytes()[before:].decode(errors="replace").splitlines()
        return [line for line in lines if TIMED_OUT in line]

    limit(seconds, min(seconds / 10, 60))
    try:
        yield closed
    finally:
        limit(OWN_LIMIT_SECONDS, 60)


class Negligent:
    """A consumer that acknowledges nothing, until the broker throws it out.

    It stirs now and then: RabbitMQ 3.10 overlooks a channel that hibernates.
    """

    QUEUE: Final = "negligent"

    def __init__(self, gate: Gate) -> None:
        self._parameters = pika.URLParameters(gate.broker.url())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._consume, daemon=True)
        self.thrown_out = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(patient(10))

    def _consume(self) -> None:
        connection = pika.BlockingConnection(self._parameters)
        channel = connection.channel(NEGLIGENT)
        channel.queue_declare(self.QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", self.QUEUE, b"")
        channel.basic_consume(self.QUEUE, lambda *_: None)
        try:
            while not self._stop.wait(0.2):
                channel.basic_qos(prefetch_count=1)
        except ChannelClosedByBroker as error:
            self.thrown_out = error.reply_code == 406
        connection.close()


def run(servers: Servers, down_seconds: float, limit_seconds: float) -> Figures:
    """Have an outage; return what was seen. Raises :class:`AssertionError` for what does not hold."""
    figures = Figures(limit_seconds)
    with (
        gate_running(servers, "outage", CONNECTIONS) as gate,
        consumer_timeout(servers, limit_seconds) as closed,
        Budget(gate) as budget,
    ):
        for name in WRITERS:
            gate.writers.start(name, wait=False)
        with Load(gate, "outage", PACE_SECONDS) as load, Negligent(gate) as negligent:
            load.wait_applied(20)
            with _database_down(gate, load, figures):
                _watch(gate, load, negligent, figures, down_seconds)
            returned = time.monotonic()
            load.wait_applied(1, PATIENCE_SECONDS)
        load.check(PATIENCE_SECONDS)
        figures.drained_seconds_after_return = time.monotonic() - returned
        check_only_the_negligent(closed())
        check(gate, figures)
        gate.assert_drained()
    figures.connections_most = budget.most
    return figures


@contextmanager
def _database_down(gate: Gate, load: Load, figures: Figures) -> Iterator[None]:
    figures.accepted_before = load.accepted
    figures.resident_before = max(resident_bytes(writer.process.pid) for writer in gate.writers.values())
    gate.servers.stack.stop("postgres")
    try:
        yield
    finally:
        gate.servers.stack.start("postgres")
        gate.database.reconnect()


def _watch(gate: Gate, load: Load, negligent: Negligent, figures: Figures, down_seconds: float) -> None:
    """Take figures until the time is over and the broker's limit has struck whom it should."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < down_seconds or not negligent.thrown_out:
        assert passed < 2 * down_seconds + 60, "the broker never closed the channel of a consumer that acks nothing"
        domains = [domain for writer in gate.writers.values() for domain in writer.state().get("domains", {}).values()]
        figures.waiting_most = max(figures.waiting_most, sum(domain["waiting"] for domain in domains))
        resident = max(resident_bytes(writer.process.pid) for writer in gate.writers.values() if writer.alive)
        figures.resident_most = max(figures.resident_most, resident)
        if figures.let_go_after is None and not any(domain["phase"] == "serving" for domain in domains):
            figures.let_go_after = passed
        if figures.limit_struck_after is None and negligent.thrown_out:
            figures.limit_struck_after = passed
        time.sleep(0.5)  # between two looks
    figures.seconds_down = passed
    figures.accepted_meanwhile = load.accepted - figures.accepted_before


def check(gate: Gate, figures: Figures) -> None:
    """What must be true of the writers once all is applied."""
    assert figures.accepted_meanwhile > 0, "publishers could not go on"
    assert figures.let_go_after is not None
    assert figures.let_go_after < figures.consumer_timeout_seconds
    for writer in gate.writers.values():
        assert writer.alive, f"{writer.name} ended: {writer.log[-3000:]}"
        assert "channel_lost" not in writer.log, f"{writer.name} lost a channel"
    growth = figures.resident_most - figures.resident_before
    assert growth < Settings.load({}).memory_bytes, f"a writer grew by {growth} bytes"
    assert gate.database.value("SELECT count(*) FROM writegate.parked") == 0


def check_only_the_negligent(closed: list[str]) -> None:
    """The broker has closed no writer's channel for keeping messages too long."""
    negligent = f"channel {NEGLIGENT} "
    assert any(negligent in line for line in closed), f"expected {TIMED_OUT!r} in the broker's log"
    writers = [line for line in closed if negligent not in line]
    assert not writers, f"the broker closed a writer's channel: {writers}"


def main() -> int:
    """Print the figures; return 0 when everything holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.outage", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long the database is away (default: 3)")
    seconds = parser.parse_args().minutes * 60
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with servers_running() as servers:
        figures = run(servers, seconds, OWN_LIMIT_SECONDS if seconds > OWN_LIMIT_SECONDS else seconds / 3)
    for name, value in asdict(figures).items():
        sys.stdout.write(f"{name:32} {value:,.1f}\n" if isinstance(value, float) else f"{name:32} {value:,}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
