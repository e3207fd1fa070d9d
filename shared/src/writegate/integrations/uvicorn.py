"""uvicorn: requests that do not arrive in time end, and so do the oldest of too many; new connections take turns.

uvicorn itself waits for ever for the rest of a request, and works on all that came at once before anything else. ::

    uvicorn flights.app:app --http writegate.integrations.uvicorn:TimedProtocol
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""From the connection, or the first byte of a further request, to the end of the request's head."""

BODY_SECONDS: Final = 30.0
"""From there to the end of the body, however many parts it comes in."""

MOST_UNFINISHED: Final = 400
"""Connections whose request is not complete. One more ends the oldest: who sends a request in one go is never it."""

MOST_DISCARDED_BYTES: Final = 4 * 1024**2
"""Of a body that is refused. So many are read, for the client to see the answer; then the connection ends."""

_Stage = Literal["head", "body"]


class NewConnections:
    """Begins to read from new connections, one in each pass of the event loop. On the loop's thread only.

    Those that are read from already get their turn in each pass, so hundreds of new ones at once delay nobody who is
    connected. Without this, one pass reads from all of them, and the next ones work on all that they ask for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Transport] = deque()
        self._turn_taken = False

    def add(self, transport: asyncio.Transport) -> None:
        """Read from a connection at once if it is the only one in this pass, else have it wait for its turn."""
        if self._turn_taken:
            transport.pause_reading()
            self._waiting.append(transport)
        else:
            self._turn_taken = True
            self._loop.call_soon(self._begin_next)

    def _begin_next(self) -> None:
        self._turn_taken = bool(self._waiting)
        if self._waiting:
            self._waiting.popleft().resume_reading()  # it does nothing when the connection has ended
            self._loop.call_soon(self._begin_next)


_new_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, NewConnections] = WeakKeyDictionary()


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with time limits for requests. On the event loop's thread only."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stage: _Stage | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._discarded_bytes = 0

    @property
    def due(self) -> float:
        """When the connection ends if the request is not complete, by the loop's clock; 0 when it is."""
        return self._timer.when() if self._timer is not None else 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for("head")
        _new_connections.setdefault(self.loop, NewConnections(self.loop)).add(transport)
        if len(self.connections) > MOST_UNFINISHED:
            self._end_oldest()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > MOST_DISCARDED_BYTES:
                self.transport.abort()
                return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            # The next request of a connection, or still the first one. Nothing of it came when the buffer is empty:
            # what did come completed the request before.
            self._wait_for("head" if self.conn.trailing_data[0] or self._stage == "head" else None)
        else:
            self._wait_for("body" if self.conn.their_state is h11.SEND_BODY else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_for(None)
        super().connection_lost(exc)

    def _end_oldest(self) -> None:
        unfinished = [other for other in self.connections if isinstance(other, TimedProtocol) and other.due]
        if len(unfinished) > MOST_UNFINISHED:
            min(unfinished, key=lambda other: other.due).transport.abort()

    def _wait_for(self, stage: _Stage | None) -> None:
        if stage == self._stage:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._stage, self._timer, self._discarded_bytes = stage, None, 0
        if stage is not None:
            seconds = HEAD_SECONDS if stage == "head" else BODY_SECONDS
            self._timer = self.loop.call_later(seconds, self.transport.abort)
