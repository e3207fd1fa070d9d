"""The lane of a key."""

from __future__ import annotations

import zlib


def lane_of(key: str | None, lanes: int) -> int:
    """Return the lane of ``key`` among ``lanes``; a command without a key goes to lane 0.

    The lane is the CRC-32 of the UTF-8 key, modulo the number of lanes. Every language has this function, and neither
    a restart of the broker nor a changed binding moves a key, as hash exchanges do. It is never random: order per key
    depends on it.
    """
    if key is None:
        return 0
    return zlib.crc32(key.encode()) % lanes
