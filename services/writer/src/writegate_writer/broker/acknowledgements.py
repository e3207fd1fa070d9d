"""Which acknowledgements to send. Pure.

Batches finish out of order and tags span all lanes of a channel; `multiple` may cover only what is settled
without a gap. So settled tags above a gap wait for nothing but are sent one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Acks:
    """The unacknowledged tags of one channel."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._settled: set[int] = set()

    def delivered(self, tag: int) -> None:
        """Take note of a delivery; tags come in ascending order."""
        self._open.append(tag)

    def settle(self, tags: Iterable[int]) -> list[tuple[int, bool]]:
        """Return ``(tag, multiple)`` for each frame to send now that these are settled."""
        fresh = sorted(tags)
        self._settled.update(fresh)
        watermark = 0
        while self._open and self._open[0] in self._settled:
            watermark = self._open.popleft()
            self._settled.discard(watermark)
        frames = [(watermark, True)] if watermark else []
        above = [tag for tag in fresh if tag > watermark]
        if above:
            gone = set(above)
            self._open = deque(tag for tag in self._open if tag not in gone)
            self._settled -= gone
            frames += [(tag, False) for tag in above]
        return frames

    def __len__(self) -> int:
        return len(self._open)
