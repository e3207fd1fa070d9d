"""Publishing a long stream of commands in order, at full speed or at a steady rate, with progress."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

from tenacity import RetryCallState, Retrying, retry_if_exception_type, sleep_using_event, stop_when_event_set

from writegate.backoff import backoff_seconds
from writegate.config import Settings
from writegate.contract.command import Command
from writegate.errors import RetryablePublishError, WritegateError
from writegate.publishing import Publisher

CALL_COMMANDS = 500  # in one call at full speed: a few messages for each lane
CALLS_PER_SECOND = 10.0  # at a steady rate: even, and several commands still share a message
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class StreamCounters:
    """What was published so far. ``longest_call_s``: the longest time until a call was accepted, with its retries."""

    commands: int
    seconds: float
    longest_call_s: float


def replay(name: str, commands: Iterable[Command], *, rate: float | None = None) -> None:
    """Publish ``commands`` as a command line: progress on stderr, then the counters as a line of JSON on stdout.

    ``rate`` is in commands a second (default: full speed). An error ends the process with one line that says why.
    """
    progress = Progress(name, sys.stderr)
    try:
        with Publisher(Settings.load(need=("broker_url",))) as publisher:
            counters = publish_stream(publisher, commands, rate=rate, report=progress)
            # While the broker is away all of it may have gone to the spool, and no later process may come to send it.
            while not publisher.wait_confirmed(_SPOOL_LINE_SECONDS):
                progress.note("waiting for the broker to take what is in the spool")
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

    ``rate`` is in commands a second (default: full speed). Commands that the broker does not take now are published
    again, under the same ids, before any later ones. ``report`` gets the counters after every call. Errors that a retry
    cannot help are raised.
    """
    stop = stop or threading.Event()
    remaining = iter(commands)
    size = CALL_COMMANDS if rate is None else max(1, round(rate / CALLS_PER_SECOND))
    started = time.monotonic()
    counters = StreamCounters(0, 0.0, 0.0)
    while not stop.is_set() and (batch := list(itertools.islice(remaining, size))):
        longest = max(counters.longest_call_s, _until_accepted(publisher, batch, stop))
        counters = StreamCounters(counters.commands + len(batch), time.monotonic() - started, longest)
        report(counters)
        if rate is not None:
            # Until a time of the clock, not for a fixed pause: a slow call must not lower the average rate.
            stop.wait(max(0.0, started + counters.commands / rate - time.monotonic()))
    return counters


def _until_accepted(publisher: Publisher, commands: Sequence[Command], stop: threading.Event) -> float:
    started = time.monotonic()
    again = Retrying(
        retry=retry_if_exception_type(RetryablePublishError),
        wait=_wait_seconds,
        stop=stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        reraise=True,
    )
    again(publisher.publish_many, commands)
    return time.monotonic() - started


def _wait_seconds(state: RetryCallState) -> float:
    return backoff_seconds(state.attempt_number, first=_FIRST_RETRY_SECONDS, longest=_LONGEST_RETRY_SECONDS)


_SPOOL_LINE_SECONDS = 5.0


class Progress:
    """Shows the progress of a stream: one line that is rewritten on a terminal, elsewhere a line every 5 seconds."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name = name
        self._stream = stream
        self._live = stream.isatty()
        self._every_seconds = 0.2 if self._live else 5.0
        self._due = 0.0

    def __call__(self, counters: StreamCounters) -> None:
        """Write the counters, unless they were written a short time ago."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self._every_seconds
            self._write(counters)

    def _write(self, counters: StreamCounters) -> None:
        rate = counters.commands / counters.seconds if counters.seconds else 0.0
        text = f"{self._name}: {counters.commands:,} commands accepted, {rate:,.0f}/s"
        self._stream.write(f"\r{text:<70}" if self._live else f"{text}\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        """Write a line of another kind."""
        self._stream.write(f"\n{self._name}: {text}\n" if self._live else f"{self._name}: {text}\n")
        self._stream.flush()

    def close(self, counters: StreamCounters) -> None:
        """Write the last counters."""
        self._write(counters)
        if self._live:
            self._stream.write("\n")
