"""Command ids: UUIDv7 (RFC 9562, section 5.7), increasing within a process. Any thread may call this module.

The writer uses the time in an id to decide which partitions of the ledger can contain a duplicate.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0

# Version and variant of RFC 9562, section 4.
_CANONICAL = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CANONICAL_V7 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_COUNTER_BITS = 74  # all of rand_a and rand_b: 73 random bits start each millisecond, one bit is left to count up
_COUNTER = (1 << _COUNTER_BITS) - 1
_RAND_B = (1 << 62) - 1


def new_id() -> str:
    """Return a new UUIDv7 in canonical text form, greater than every one returned before in this process."""
    global _last  # noqa: PLW0603  ids increase because the process has one counter
    millis = time.time_ns() // 1_000_000
    with _lock:
        if millis > _last >> _COUNTER_BITS:
            _last = millis << _COUNTER_BITS | int.from_bytes(os.urandom(10)) >> 7
        else:
            _last += 1
        value = _last
    # Formatted by hand: uuid.UUID would take longer than everything else here.
    counter = value & _COUNTER
    text = f"{value >> _COUNTER_BITS:012x}7{counter >> 62:03x}{counter & _RAND_B | 1 << 63:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_canonical(command_id: str) -> bool:
    """Whether an id is a UUID in the form that :func:`new_id` and ``str(uuid.UUID(…))`` produce."""
    return _CANONICAL.fullmatch(command_id) is not None


def millis_of(command_id: str) -> int | None:
    """Return the Unix time in milliseconds that a UUIDv7 carries, or None for any other id."""
    if _CANONICAL_V7.fullmatch(command_id):  # the common case, ten times as fast as uuid.UUID
        return int(command_id[:8] + command_id[9:13], 16)
    try:
        value = uuid.UUID(command_id)
    except ValueError:
        return None
    return value.int >> 80 if value.version == 7 else None


def ledger_id(command_id: str) -> str:
    """Return the UUID that the ledger stores for an id: the id itself, or a UUIDv8 made from its digest."""
    if is_canonical(command_id):
        return command_id
    try:
        return str(uuid.UUID(command_id))
    except ValueError:
        digest = int.from_bytes(hashlib.blake2b(command_id.encode(), digest_size=16).digest())
        return str(uuid.UUID(int=digest & ~(0xF << 76 | 0x3 << 62) | 0x8 << 76 | 0b10 << 62))


def _start_anew() -> None:
    """Reset the counter in a forked child: otherwise parent and child would make the same ids."""
    global _lock, _last  # noqa: PLW0603  see new_id
    _lock = threading.Lock()  # another thread of the parent may have held it
    _last = 0


os.register_at_fork(after_in_child=_start_anew)
