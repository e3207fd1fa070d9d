"""Which acknowledgements to send. Pure; used on the hub thread.

Batches finish out of order, and the tags of a channel span all its lanes. A frame with `multiple` acknowledges every
tag up to its own, so it may only be sent for tags without an unsettled one before them. Tags above such a gap are
acknowledged at once, one frame each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Acks:
    """The unacknowledged tags of one channel."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()  # ascending
        self._settled: set[int] = set()

    def delivered(self, tag: int) -> None:
        """Add a delivery's tag; tags come in ascending order."""
        self._open.append(tag)

    def settle(self, tags: Iterable[int]) -> list[tuple[int, bool]]:
        """Return ``(tag, multiple)`` for each frame to send now that these tags are settled."""
        settled_now = sorted(tags)
        self._settled.update(settled_now)
        watermark = 0
        while self._open and self._open[0] in self._settled:
            watermark = self._open.popleft()
            self._settled.discard(watermark)
        frames = [(watermark, True)] if watermark else []
        above_gap = [tag for tag in settled_now if tag > watermark]
        if above_gap:
            acknowledged = set(above_gap)
            self._open = deque(tag for tag in self._open if tag not in acknowledged)
            self._settled -= acknowledged
            frames += [(tag, False) for tag in above_gap]
        return frames

    def __len__(self) -> int:
        return len(self._open)
