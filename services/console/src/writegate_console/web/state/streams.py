"""Open event streams, a few for each user: each is rendered again whenever something changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from writegate.errors import WritegateError

MOST_OF_USER = 20  # a page has a stream only while it can be seen: so many windows at once, on all of a user's machines


class TooManyStreams(WritegateError):
    """A user has as many pages open as may follow what changes."""

    retryable = True


class OpenStreams:
    """Counts open streams by the user's name. On the event loop's thread only."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return for how many users something is kept."""
        return len(self._open)

    @contextmanager
    def place_of(self, name: str) -> Iterator[None]:
        """Have a place inside the block. Raises :class:`TooManyStreams`."""
        if self._open[name] >= MOST_OF_USER:
            raise TooManyStreams(
                f"{name} has {MOST_OF_USER} pages open that follow what changes, as many as may be: close some"
            )
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            self._open += Counter()  # keeps those above zero only
