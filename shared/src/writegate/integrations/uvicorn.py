"""uvicorn: requests that do not arrive in time end, and so do the oldest of too many; new connections take turns.

uvicorn itself waits for ever for the rest of a request, and works on all that came at once before anything else. ::

    uvicorn flights.app:app --http writegate.integrations.uvicorn:TimedProtocol
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from writegate.integrations.new_connections import NewConnections

HEAD_SECONDS: Final = 10.0
"""From the connection, or the first byte of a further request, to the end of the request's head."""

BODY_SECONDS: Final = 30.0
"""From there to the end of the body, however many parts it comes in."""

MOST_UNFINISHED: Final = 400
"""Connections whose request is not complete. One more ends the oldest: who sends a request in one go is never it."""

MOST_DISCARDED_BYTES: Final = 4 * 1024**2
"""Of a body that is refused. So many are read, for the client to see the answer; then the connection ends."""

_Stage = Literal["head", "body"]


_new_connections: WeakKeyDictionary[ServerState, NewConnections] = WeakKeyDictionary()  # of each server


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with time limits for requests. On the event loop's thread only."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stage: _Stage | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.waits_since = 0.0  # for a request that is not complete, by the loop's clock; 0 when there is none
        self._discarded_bytes = 0
        self._is_websocket = False
        self._may_read = True
        self._turns = _new_connections.setdefault(self.server_state, NewConnections(self.loop))

    @property
    def answering(self) -> bool:
        """Whether a request has come and is not answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def wait(self) -> None:
        """Do not read yet: others have their turn."""
        self._may_read = False
        self.transport.pause_reading()
        # In Python 3.11.2, which is Debian's, a new transport begins to read behind this call, paused or not.
        self.loop.call_soon(self._pause_again)

    def _pause_again(self) -> None:
        if not self._may_read:
            self.transport.resume_reading()
            self.transport.pause_reading()

    def begin(self) -> None:
        """Begin to wait for a request. Only now does its time count, and the connection as one without a request."""
        self._may_read = True
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._wait_for("head")
            if len(self.connections) > MOST_UNFINISHED:
                self._end_oldest()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._turns.add(self)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > MOST_DISCARDED_BYTES:
                self.transport.abort()
                return
        super().data_received(data)
        self._wait_for_the_rest()

    def on_response_complete(self) -> None:
        """Wait for the rest of what came behind the request; let the next new connection have its turn."""
        super().on_response_complete()
        self._wait_for_the_rest()
        self._turns.done(self)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the protocol of WebSockets, which has its own time limits."""
        self._is_websocket = True
        self._wait_for(None)
        super().handle_websocket_upgrade(event)
        self._turns.done(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_for(None)
        super().connection_lost(exc)
        self._turns.done(self)

    def _end_oldest(self) -> None:
        unfinished = [other for other in self.connections if isinstance(other, TimedProtocol) and other.waits_since]
        if len(unfinished) > MOST_UNFINISHED:
            min(unfinished, key=lambda other: other.waits_since).transport.abort()

    def _wait_for_the_rest(self) -> None:
        """Wait for what is missing of a request. A connection without any ends by uvicorn's own timer, if that runs."""
        if self._is_websocket or self.transport.is_closing():
            return
        if self.conn.their_state is h11.SEND_BODY:
            self._wait_for("body")
        elif self.conn.their_state is h11.IDLE and (self.conn.trailing_data[0] or not self.timeout_keep_alive_task):
            self._wait_for("head")
        else:
            self._wait_for(None)

    def _wait_for(self, stage: _Stage | None) -> None:
        if stage == self._stage:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.waits_since = 0.0 if stage is None else self.waits_since or self.loop.time()
        self._stage, self._timer, self._discarded_bytes = stage, None, 0
        if stage is not None:
            seconds = HEAD_SECONDS if stage == "head" else BODY_SECONDS
            self._timer = self.loop.call_later(seconds, self.transport.abort)
