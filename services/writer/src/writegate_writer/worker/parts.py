"""The contract of a process's parts: how each starts and stops."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from writegate.publishing import Publisher

log = structlog.get_logger(__name__)


class Part(Protocol):
    """Something that works on a thread of its own while the process runs."""

    def start(self) -> None:
        """Start working, and return at once. Called once."""

    def stop(self, deadline: float) -> None:
        """Stop, and return by ``deadline`` of :func:`time.monotonic`, finished or not.

        Not called on the hub thread, which goes on meanwhile: what is posted to it is done.
        """


@dataclass(frozen=True, slots=True)
class Stopping:
    """A part in the order of stopping. ``seconds``: how long it may take; ``name``: for the log."""

    name: str
    part: Part
    seconds: float


def stop_in_order(steps: Sequence[Stopping]) -> None:
    """Stop one part after the other. One that fails or takes too long is logged, and does not keep the others."""
    for step in steps:
        deadline = time.monotonic() + step.seconds
        try:
            step.part.stop(deadline)
        except Exception:
            log.exception("process.stop_failed", part=step.name)


class PublisherPart:
    """The publisher of receipts, emitted and forwarded commands: it works from when it was made."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def start(self) -> None:
        """Do nothing: it connects when it is made."""

    def stop(self, deadline: float) -> None:
        """Wait for the confirms of what is on its way, and disconnect."""
        self._publisher.close(timeout=max(0.0, deadline - time.monotonic()))


class ReaderPool:
    """Threads that read a domain's next batch ahead. They start when they are given work."""

    def __init__(self, size: int) -> None:
        self.executor = ThreadPoolExecutor(size, thread_name_prefix="writegate-reader")

    def start(self) -> None:
        """Do nothing: a thread starts with the first work for it."""

    def stop(self, deadline: float) -> None:  # noqa: ARG002  it does not wait: no slot is left to use what is read
        """End the threads once what they are reading is read."""
        self.executor.shutdown(wait=False, cancel_futures=True)
