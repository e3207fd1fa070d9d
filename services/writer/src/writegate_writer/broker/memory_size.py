"""How much memory held messages take, and how much they may take."""

from __future__ import annotations

from collections.abc import Iterable
from sys import getsizeof
from typing import Any

_NESTED = frozenset((dict, list))


class MemoryBudget:
    """What all held messages of a process take, whichever queue they came from. Only the hub thread changes it."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    @property
    def exceeded(self) -> bool:
        """Whether more is held than may be: then nothing more is read."""
        return self.held_bytes > self._limit_bytes


def memory_size(*values: Any) -> int:
    """Return about how many bytes Python's objects take for these values and for all that they contain.

    A message of one small command has a hundred bytes of body and three thousand of headers, and a publisher may send
    headers of up to a frame.
    """
    size = 0
    pending: list[Iterable[Any]] = [values]  # no recursion: tables may be nested deeply
    while pending:
        container = pending.pop()
        size += sum(map(getsizeof, container))
        if _NESTED.isdisjoint(map(type, container)):
            continue  # true of nearly all headers, and several times as fast as the loop below
        for value in container:
            if type(value) is dict:
                size += sum(map(getsizeof, value))
                pending.append(value.values())
            elif type(value) is list:
                pending.append(value)
    return size
