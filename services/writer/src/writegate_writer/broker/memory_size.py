"""What a message that is held takes in memory."""

from __future__ import annotations

from collections.abc import Iterable
from sys import getsizeof
from typing import Any

_NESTED = frozenset((dict, list))


def memory_size(*values: Any) -> int:
    """Return about how many bytes Python's objects take for these, with what is in them: tables, lists and scalars.

    A message of one small command is a hundred bytes of body and three thousand of headers; and whoever publishes
    may send up to a frame of them.
    """
    weight = 0
    left: list[Iterable[Any]] = [values]  # not by calling itself: tables may be nested deep
    while left:
        some = left.pop()
        weight += sum(map(getsizeof, some))
        if _NESTED.isdisjoint(map(type, some)):
            continue  # as in nearly all headers, and several times as fast as to look at each
        for one in some:
            if type(one) is dict:
                weight += sum(map(getsizeof, one))
                left.append(one.values())
            elif type(one) is list:
                left.append(one)
    return weight
