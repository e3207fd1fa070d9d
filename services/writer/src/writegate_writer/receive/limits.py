"""What a message may cost, checked before any work is done for it. Pure; on slot and reader threads.

Its bytes, those of its headers and the number of its commands bound everything that follows: what is parsed, what is
stored, how many rows it may park. What exceeds a limit is one parked row. Commands in a message are limited by the wire
format itself (:data:`writegate.message.envelope.MAX_PARTS`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from writegate.errors import MalformedMessage
from writegate.message.body import MAX_BODY_BYTES
from writegate_writer.receive.delivery import Delivery

MAX_HEADER_BYTES: Final = 16 * 1024
"""Of all headers of a message, about as AMQP writes them. Ours have 500 bytes, with a hundred traces 8,000."""

_MAX_READING_SECONDS: Final = 5.0
"""Of processor time of the thread that reads a message; a full one of ours takes some milliseconds."""

_FRAME_BYTES: Final = 9  # of a value that is neither text, bytes nor a container, with its type


def check_size(delivery: Delivery) -> None:
    """Raise :class:`MalformedMessage` when a message is larger than it may be."""
    if len(delivery.body) > MAX_BODY_BYTES:
        raise MalformedMessage("too-large", f"expected at most {MAX_BODY_BYTES} bytes, got {len(delivery.body)}")
    # What they take in memory is counted anyway where they arrive, and is always more.
    if 0 < delivery.held_bytes - len(delivery.body) <= MAX_HEADER_BYTES:
        return
    size = header_bytes(delivery.headers)
    if size > MAX_HEADER_BYTES:
        raise MalformedMessage("large-headers", f"expected at most {MAX_HEADER_BYTES} bytes of headers, got {size}")


def header_bytes(headers: Mapping[str, Any]) -> int:
    """Return about how many bytes headers take in AMQP, whatever is in them."""
    size = 0
    pending: list[Any] = [headers]  # no recursion: tables may be nested deeply
    while pending:
        value = pending.pop()
        if isinstance(value, (str, bytes)):
            size += 5 + len(value)
        elif isinstance(value, Mapping):
            size += 5 + sum(1 + len(name) for name in value)
            pending += value.values()
        elif isinstance(value, list):
            size += 5
            pending += value
        else:
            size += _FRAME_BYTES
    return size


class ReadingTime:
    """How long a message may be read: a contract's own code may take as long as it likes for each of its commands."""

    def __init__(self) -> None:
        # Processor time: on a busy machine a good message must not be refused for what others do.
        self._until = time.thread_time() + _MAX_READING_SECONDS

    def check(self) -> None:
        """Raise :class:`MalformedMessage` when the time is over."""
        if time.thread_time() > self._until:
            text = f"reading its commands took longer than {_MAX_READING_SECONDS:g} s, so none was applied"
            raise MalformedMessage("too-slow", text)
