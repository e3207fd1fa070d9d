"""Publishing a long stream of commands in order, at full speed or at a steady rate, with counters."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

from tenacity import Retrying, retry_if_exception_type, sleep_using_event, stop_when_event_set, wait_random_exponential

from writegate.config import Settings
from writegate.contract.command import Command
from writegate.errors import RetryablePublishError, WritegateError
from writegate.publishing import Publisher

CALL_COMMANDS = 500  # so many travel in one call at full speed: a few messages of each lane
CALLS_PER_SECOND = 10.0  # at a steady rate: smooth enough, and still packed


@dataclass(frozen=True, slots=True)
class StreamCounters:
    """What was published. ``longest_call_s``: the longest wait for a call to be accepted, its retries included."""

    commands: int
    seconds: float
    longest_call_s: float


def replay(name: str, commands: Iterable[Command], *, rate: float | None = None) -> None:
    """Publish ``commands`` as a command line does: progress on stderr, then the counters as a line of JSON on stdout.

    Ends the process with one line that says why when it cannot.
    """
    progress = Progress(name, sys.stderr)
    try:
        with Publisher(Settings.load(need=("broker_url",))) as publisher:
            counters = publish_stream(publisher, commands, rate=rate, report=progress)
    except WritegateError as error:
        sys.exit(f"{name}: {error}")
    progress.close(counters)
    sys.stdout.write(json.dumps(asdict(counters)) + "\n")


def publish_stream(
    publisher: Publisher,
    commands: Iterable[Command],
    *,
    rate: float | None = None,
    stop: threading.Event | None = None,
    report: Callable[[StreamCounters], None] = lambda _: None,
) -> StreamCounters:
    """Publish ``commands`` in order until they end or ``stop`` is set.

    ``rate`` is in commands a second. What the broker does not take now is published again, under the same ids, until
    it does: nothing overtakes it. ``report`` gets the counters after every call. Other publish errors are raised.
    """
    stop = stop or threading.Event()
    remaining = iter(commands)
    size = CALL_COMMANDS if rate is None else max(1, round(rate / CALLS_PER_SECOND))
    started = time.monotonic()
    counters = StreamCounters(0, 0.0, 0.0)
    while not stop.is_set() and (some := list(itertools.islice(remaining, size))):
        longest = max(counters.longest_call_s, _until_accepted(publisher, some, stop))
        counters = StreamCounters(counters.commands + len(some), time.monotonic() - started, longest)
        report(counters)
        if rate is not None:
            # By the clock, not by a fixed pause: a slow call does not lower the rate for good.
            stop.wait(max(0.0, started + counters.commands / rate - time.monotonic()))
    return counters


def _until_accepted(publisher: Publisher, commands: Sequence[Command], stop: threading.Event) -> float:
    started = time.monotonic()
    again = Retrying(
        retry=retry_if_exception_type(RetryablePublishError),
        wait=wait_random_exponential(multiplier=0.2, max=2.0),
        stop=stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        reraise=True,
    )
    again(publisher.publish_many, commands)
    return time.monotonic() - started


class Progress:
    """Tells how far a stream is: one line that is written over on a terminal, a plain line now and then elsewhere."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name = name
        self._stream = stream
        self._live = stream.isatty()
        self._every_seconds = 0.2 if self._live else 5.0
        self._due = 0.0

    def __call__(self, counters: StreamCounters) -> None:
        """Write the counters if it is time to."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self._every_seconds
            self._write(counters)

    def _write(self, counters: StreamCounters) -> None:
        rate = counters.commands / counters.seconds if counters.seconds else 0.0
        text = f"{self._name}: {counters.commands:,} commands accepted, {rate:,.0f}/s"
        self._stream.write(f"\r{text:<70}" if self._live else f"{text}\n")
        self._stream.flush()

    def close(self, counters: StreamCounters) -> None:
        """Write the last counters."""
        self._write(counters)
        if self._live:
            self._stream.write("\n")
