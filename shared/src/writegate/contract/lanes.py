"""From a key to a lane."""

from __future__ import annotations

import zlib


def lane_of(key: str | None, lanes: int) -> int:
    """Return the lane of ``key`` among ``lanes``; a command without a key goes to lane 0.

    CRC-32 of the UTF-8 key, modulo the number of lanes: every language has it, and a broker restart or a
    changed binding cannot move a key (hash exchanges do). Never random: order per key hangs on it.
    """
    if key is None:
        return 0
    return zlib.crc32(key.encode()) % lanes
