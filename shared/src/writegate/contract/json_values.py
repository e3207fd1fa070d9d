"""JSON as commands need it: no number loses a digit. Pure.

A reader that makes a float of every number turns ``12345678901234567.89`` into ``12345678901234568``, and ``1.10`` into
``1.1``. :func:`read_json` keeps the text of a number that a float cannot hold, and :func:`write_json` writes it as it
came.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic_core import to_json

# Stands before a number's text while pydantic writes it as a string. Nobody who sends a value can know it.
_MARK = secrets.token_hex(16)
_MARKED_TEXT = re.compile(rf'"{_MARK}([^"]*)"')
_MARKED = re.compile(_MARKED_TEXT.pattern.encode())


class ExactNumber(float):
    """A JSON number whose ``text`` says more than a float can hold."""

    text: str

    def __new__(cls, text: str) -> ExactNumber:
        number = super().__new__(cls, text)
        number.text = text
        return number


def read_json(text: bytes | str) -> Any:
    """Return JSON as Python values, in which some floats are :class:`ExactNumber`.

    Raises ValueError for what is no JSON, for NaN, and for numbers that are too large for a float.
    """
    return json.loads(text, parse_float=_number, parse_constant=_refuse_constant)


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"expected numbers of at most 1.8e308, got {text[:80]}")
    if repr(number) == text or Decimal(repr(number)).as_tuple() == Decimal(text).as_tuple():
        return number
    return ExactNumber(text)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"expected JSON, which has no {name}")


def write_json(value: Any, *, indent: int | None = None) -> bytes:
    """Return what :func:`read_json` returned as JSON again, every number as it came."""
    return _MARKED.sub(rb"\1", to_json(_marked(value), indent=indent))


def show_json(value: Any, *, indent: int | None = None, default: Callable[[Any], Any] = str) -> str:
    """Return values as JSON for people, also those that only Python takes for JSON. ``default``: of ``json.dumps``."""
    text = json.dumps(_marked(value), indent=indent, ensure_ascii=False, default=default)
    return _MARKED_TEXT.sub(r"\1", text)


def _marked(value: Any) -> Any:
    if isinstance(value, ExactNumber):
        return _MARK + value.text
    if isinstance(value, dict):
        return {name: _marked(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_marked(part) for part in value]
    return value
