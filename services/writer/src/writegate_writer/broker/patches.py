"""What py-amqp makes of what comes from the broker, and should not.

Messages whose properties cannot be read: py-amqp reads them while it reads the frame, and raises right out of the
worker's loop on what any publisher may send: a timestamp beyond the year 9999, headers nested a thousand deep, a text
that is no UTF-8. The message would come again, and end every writer in turn.

A broker that seems silent because we do not read: py-amqp takes it for dead after two heartbeats, and a batch may take
longer. Each new connection counts as one more delivery of all that was held.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any

import structlog
from amqp.exceptions import FrameSyntaxError

log = structlog.get_logger(__name__)

_HEADER_FRAME = 2  # AMQP 0-9-1, section 2.3.5.2: frame types
_UNREADABLE = (ValueError, ArithmeticError, RecursionError, OSError, struct.error, FrameSyntaxError)


def accept_malformed_properties(connection: Any) -> None:
    """Make a py-amqp connection deliver such a message without properties: it is parked for lack of a task name."""
    read = connection.on_inbound_frame

    def on_frame(frame: tuple[int, int, bytes]) -> Any:
        kind, channel, payload = frame
        if kind != _HEADER_FRAME:
            return read(frame)
        try:
            return read(frame)
        except _UNREADABLE as error:
            log.warning("message.unreadable_properties", error=f"{type(error).__name__}: {error}")
            # Class, weight and size of the body as they came; no property follows.
            return read((kind, channel, bytes(payload[:12]) + b"\0\0"))

    connection.on_inbound_frame = on_frame


def suspend_heartbeat_check(connection: Any, paused: Callable[[], bool]) -> None:
    """Make a py-amqp connection take the broker for alive while we do not read: that it is gone, sending finds out.

    The broker itself gives up a connection on which it can send nothing for 30 s (seen with RabbitMQ 3.10).
    """
    tick = connection.heartbeat_tick

    def heartbeat_tick(rate: int = 2) -> None:
        if paused():
            connection.last_heartbeat_received = time.monotonic()
        tick(rate)

    connection.heartbeat_tick = heartbeat_tick
