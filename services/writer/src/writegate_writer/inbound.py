"""Surviving messages whose properties cannot be read.

py-amqp reads a message's properties while it reads the frame, and raises right out of the worker's loop on what any
publisher may send: a timestamp beyond the year 9999, headers nested a thousand deep, a text that is no UTF-8. The
message would come again, and end every writer in turn.
"""

from __future__ import annotations

import struct
from typing import Any

import structlog
from amqp.exceptions import FrameSyntaxError

log = structlog.get_logger(__name__)

_HEADER_FRAME = 2  # AMQP 0-9-1, section 2.3.5.2: frame types
_UNREADABLE = (ValueError, ArithmeticError, RecursionError, OSError, struct.error, FrameSyntaxError)


def tolerate(connection: Any) -> None:
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
