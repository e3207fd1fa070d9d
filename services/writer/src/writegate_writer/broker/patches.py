"""Everything that is changed in py-amqp and kombu: no other module assigns to their objects.

These rely on internals, so both libraries are pinned to the versions that were read, and ``test_patches.py`` fails
when an upgrade changes what is used here. All of it runs on the hub thread.

- :func:`read_in_bulk`: frames are read with one system call for many, not a dozen for each.
- :func:`accept_malformed_properties`: a message whose properties cannot be read is delivered without them.
- :func:`suspend_heartbeat_check`: a broker is not taken for dead while this process does not read from it.
- :func:`retry_steadily`: the pause between two attempts to connect does not grow.
"""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Callable
from typing import Any

import structlog
from amqp.exceptions import FrameSyntaxError, UnexpectedFrame

log = structlog.get_logger(__name__)

# AMQP 0-9-1, section 2.3.5: type, channel and size of the payload, the payload, and an end mark.
_FRAME_START = struct.Struct(">BHI")
_FRAME_END = 0xCE
_READ_BYTES = 64 * 1024
_HEADER_FRAME = 2  # section 2.3.5.2
_UNREADABLE = (ValueError, ArithmeticError, RecursionError, OSError, struct.error, FrameSyntaxError)


def read_in_bulk(connection: Any) -> None:
    """Make an open py-amqp connection read as many bytes as the socket has, and take the frames from these.

    py-amqp reads the seven bytes before a frame, then its payload, then its end mark, and sets the socket's mode
    before and after: twelve system calls and more for each message.
    """
    connection.blocking_read = _BulkReader(connection).read


class _BulkReader:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._data: bytes = self._transport._read_buffer  # noqa: SLF001  bytes that py-amqp has read already
        self._position = 0

    def read(self, timeout: float | None = None) -> Any:
        """Handle one frame, as the connection's ``blocking_read`` does; return whether it completed a method.

        Raises :class:`TimeoutError` when no frame comes in time. With ``timeout=0`` all bytes there are get read, and
        the caller calls again until nothing is left. A caller that waits for an answer gets only the bytes of its
        frame: the poller would not be told about more, since they would not be in the socket any more.
        """
        while (frame := self._next()) is None:
            self._fill(timeout, _READ_BYTES if timeout == 0 else self._missing())
        return self._connection.on_inbound_frame(frame)

    def _next(self) -> tuple[int, int, bytes] | None:
        data, position = self._data, self._position
        start = position + _FRAME_START.size
        if len(data) < start:
            return None
        kind, channel, size = _FRAME_START.unpack_from(data, position)
        end = start + size
        if len(data) <= end:
            return None
        if data[end] != _FRAME_END:
            raise UnexpectedFrame(f"expected a frame to end with {_FRAME_END:#x}, got {data[end]:#x}")
        self._position = end + 1
        return kind, channel, data[start:end]

    def _missing(self) -> int:
        """Return how many more bytes the next frame needs, as far as is known."""
        have = len(self._data) - self._position
        if have < _FRAME_START.size:
            return _FRAME_START.size - have
        return int(_FRAME_START.size + _FRAME_START.unpack_from(self._data, self._position)[2] + 1 - have)

    def _fill(self, timeout: float | None, most_bytes: int) -> None:
        try:
            with self._transport.having_timeout(timeout):
                more = self._transport._quick_recv(most_bytes)  # noqa: SLF001  the same for a socket and for TLS
        except TimeoutError:
            raise
        except OSError:
            self._transport.connected = False
            raise
        if not more:
            self._transport.connected = False
            raise OSError("the broker closed the connection")
        self._data, self._position = self._data[self._position :] + more, 0


def accept_malformed_properties(connection: Any) -> None:
    """Make a py-amqp connection deliver a message with unreadable properties without any.

    py-amqp parses the properties while it reads the frame, and raises out of the worker's loop on what any publisher
    may send: a timestamp beyond the year 9999, headers nested a thousand deep, a text that is not UTF-8. The message
    would be delivered again, and end every writer in turn. Without properties it has no task name, so it is parked.
    """
    read = connection.on_inbound_frame

    def on_frame(frame: tuple[int, int, bytes]) -> Any:
        kind, channel, payload = frame
        if kind != _HEADER_FRAME:
            return read(frame)
        try:
            return read(frame)
        except _UNREADABLE as error:
            log.warning("message.unreadable_properties", error=f"{type(error).__name__}: {error}")
            # Class, weight and size of the body as they came; the two zero bytes say that no property follows.
            return read((kind, channel, bytes(payload[:12]) + b"\0\0"))

    connection.on_inbound_frame = on_frame


def suspend_heartbeat_check(connection: Any, paused: Callable[[], bool]) -> None:
    """Make a py-amqp connection not miss the broker's heartbeats while ``paused()``: then nothing is read.

    py-amqp gives a connection up after two missed heartbeats, and a batch may take longer than that. Each new
    connection counts as one more delivery of every message that was held. Heartbeats are still sent, and sending fails
    when the broker is gone. The broker itself closes a connection on which it can send nothing for 30 s (seen with
    RabbitMQ 3.10).
    """
    tick = connection.heartbeat_tick

    def heartbeat_tick(rate: int = 2) -> None:
        if paused():
            connection.last_heartbeat_received = time.monotonic()
        tick(rate)

    connection.heartbeat_tick = heartbeat_tick


def retry_steadily(connection: Any, seconds: float) -> None:
    """Make a kombu connection that is not open wait ``seconds`` between any two attempts.

    Celery's own pauses grow to half a minute during a long outage, and the writes would wait for it.
    """
    connection.ensure_connection = functools.partial(
        connection.ensure_connection, interval_start=seconds, interval_step=0, interval_max=seconds
    )
