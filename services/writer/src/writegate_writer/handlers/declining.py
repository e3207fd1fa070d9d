"""Saying no to commands without undoing the rest of their batch. On slot threads.

A :class:`~writegate_writer.errors.Decline` that is raised rolls the batch back. Here are the two ways to avoid that: an
answer for a command that has changed nothing, and savepoints, of which a transaction has few.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

# From 64 subtransactions on that are not rolled back, a transaction slows the whole server. Handlers may make some too.
MOST_SAVEPOINTS = 32

_savepoints: ContextVar[int] = ContextVar("savepoints", default=MOST_SAVEPOINTS)


@dataclass(frozen=True, slots=True)
class Untouched:
    """What a ready-made handler returns for a command that it declined and for which it has changed nothing."""

    reason: str


@contextmanager
def sharing_savepoints(runs: int) -> Iterator[None]:
    """Give each of so many handler calls of a transaction its share of savepoints."""
    token = _savepoints.set(MOST_SAVEPOINTS // runs)
    try:
        yield
    finally:
        _savepoints.reset(token)


def savepoints() -> int:
    """Return how many savepoints the handler that is called may make."""
    return _savepoints.get()
