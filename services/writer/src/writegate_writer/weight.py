"""What a message that is held takes in memory."""

from __future__ import annotations

from sys import getsizeof
from typing import Any


def weight_of(*values: Any) -> int:
    """Return about how many bytes Python's objects take for these, with what is in them: tables, lists and scalars.

    A message of one small command is a hundred bytes of body and three thousand of headers; and whoever publishes
    may send up to a frame of them.
    """
    weight = 0
    left = list(values)  # not by calling itself: tables may be nested deep
    while left:
        value = left.pop()
        weight += getsizeof(value)
        if isinstance(value, dict):
            left += value
            left += value.values()
        elif isinstance(value, list):
            left += value
    return weight
