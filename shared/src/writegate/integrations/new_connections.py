"""The order in which a server begins to read from new connections. On the event loop's thread only.

An event loop reads from all connections that arrived in one pass of it, and works in the next passes on all that they
ask for: whoever is connected already waits for as long as that takes. Here new ones take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

LONGEST_TURN_SECONDS: Final = 0.01
"""So long one new connection keeps others back, at most: then its request waits for something, or is slow."""

_LOOK_SECONDS: Final = 0.001


class NewConnection(Protocol):
    """A connection of which nothing has been read. ``client`` is its host and port, when there are any."""

    client: tuple[str, int] | None

    @property
    def answering(self) -> bool:
        """Whether a request of it has come and is not answered."""

    def begin(self) -> None:
        """Begin to read; nothing happens when the connection has ended."""

    def wait(self) -> None:
        """Do not read yet."""


class NewConnections:
    """Begins to read from new connections, one at a time, from each client's host in turn.

    A turn ends with the answer, or when there is no whole head to answer to, or once the process has worked for half of
    the turn only: then the request waits for others. So new connections leave half of the processor's time to those
    that are connected, and hundreds from one host delay a new one from elsewhere by a turn of theirs.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, processor_seconds: Callable[[], float] = time.process_time
    ) -> None:
        self._loop = loop
        self._processor_seconds = processor_seconds
        self._waiting: dict[str, deque[NewConnection]] = {}  # by host; the next one's first
        self._current: NewConnection | None = None
        self._until = self._worked = 0.0  # when the current turn ends at the latest; the processor's time at its start

    def add(self, connection: NewConnection) -> None:
        """Begin to read from a connection when nobody else has the turn, else have it wait."""
        if self._current is None:
            self._begin(connection)
        else:
            connection.wait()
            host = connection.client[0] if connection.client else ""
            self._waiting.setdefault(host, deque()).append(connection)

    def done(self, connection: NewConnection) -> None:
        """End the turn of a connection, if it is its turn: it has been answered, or it has ended."""
        if connection is self._current:
            self._loop.call_soon(self._end, connection)

    def _begin(self, connection: NewConnection) -> None:
        self._current = connection
        self._until, self._worked = self._loop.time() + LONGEST_TURN_SECONDS, self._processor_seconds()
        connection.begin()
        # What has come already is read in the next pass.
        self._loop.call_soon(self._loop.call_soon, self._look, connection)

    def _look(self, connection: NewConnection) -> None:
        if connection is not self._current:
            return
        left = self._until - self._loop.time()
        worked = self._processor_seconds() - self._worked
        if left <= 0 or not connection.answering or 2 * worked < LONGEST_TURN_SECONDS - left:
            self._end(connection)
        else:
            self._loop.call_later(_LOOK_SECONDS, self._look, connection)

    def _end(self, connection: NewConnection) -> None:
        if connection is not self._current:
            return
        self._current = None
        if self._waiting:
            host, waiting = next(iter(self._waiting.items()))
            del self._waiting[host]
            following = waiting.popleft()
            if waiting:
                self._waiting[host] = waiting  # behind the other hosts
            self._begin(following)
