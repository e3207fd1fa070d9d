"""Python values as the text of PostgreSQL arrays, and the types to which these arrays are cast.

With one array for each column, a call is one statement whose text never changes. psycopg2 would send a list as
``ARRAY[…]``, with one expression for each element; one literal is parsed much faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import ARRAY, JSON, DateTime, Dialect, TypeDecorator
from sqlalchemy import Enum as EnumType
from sqlalchemy.dialects.postgresql import HSTORE
from sqlalchemy.types import TypeEngine

Encode = Callable[[Any], str]

# A cast to varchar(10) or bit(3) silently truncates what an assignment refuses (22001): cast to the type without its
# length, so that the assignment checks it.
_LENGTH = re.compile(r"^(VARCHAR|CHAR|BIT)(?: VARYING)?(?:\(\d+\))?(?: COLLATE .*)?$", re.IGNORECASE)
_UNLIMITED = {"VARCHAR": "TEXT", "CHAR": "BPCHAR", "BIT": "BIT VARYING"}


def element_type(kind: TypeEngine[Any], dialect: Dialect) -> str:
    """Return the SQL type of one value of ``kind``, without a length limit."""
    if isinstance(kind, ARRAY):
        return f"{element_type(kind.item_type, dialect)}[]"
    compiled = kind.compile(dialect=dialect)
    limited = _LENGTH.match(compiled)
    return _UNLIMITED[limited[1].upper()] if limited else compiled


def array_type(kind: TypeEngine[Any], dialect: Dialect) -> str:
    """Return the SQL type of the array that carries a column of ``kind``."""
    # unnest flattens every dimension of an array: values that are arrays are sent as their text.
    return "TEXT[]" if isinstance(kind, ARRAY) else f"{element_type(kind, dialect)}[]"


def scalar_cast(kind: TypeEngine[Any], dialect: Dialect) -> str:
    """Return a format string that turns one unnested element into a value of ``kind``."""
    return f"{{}}::{element_type(kind, dialect)}" if isinstance(kind, ARRAY) else "{}"


def array_literal(values: Iterable[Any], encode: Encode) -> str:
    """Return ``values`` as the text of a PostgreSQL array of one dimension, None as NULL."""
    values = list(values)
    if encode is text_of and set(map(type, values)) == {int}:
        return bare_array(map(str, values))
    return "{" + ",".join(["NULL" if value is None else _quoted(encode(value)) for value in values]) + "}"


def bare_array(texts: Iterable[str]) -> str:
    """Return texts that need no quotes in an array, such as numbers and UUIDs, as :func:`array_literal` would."""
    return "{" + ",".join(texts) + "}"


def encoder(kind: TypeEngine[Any], dialect: Dialect) -> Encode:
    """Return the function that turns a value (never None) into the text of ``kind``, or raises TypeError."""
    if isinstance(kind, ARRAY):
        return _array_encoder(encoder(kind.item_type, dialect))
    if isinstance(kind, DateTime) and kind.timezone:
        return _instant
    if isinstance(kind, HSTORE):
        return _pairs
    if isinstance(kind, JSON):
        return lambda value: to_json(value).decode()
    if isinstance(kind, (EnumType, TypeDecorator)):
        # Such a type converts what is stored: an enumeration, for example, is stored as its members' names.
        process = kind.dialect_impl(dialect).bind_processor(dialect)
        if process is not None:
            return lambda value: text_of(process(value))
    return text_of


class NaiveMomentError(ValueError):
    """A moment without a zone for a column that holds instants: it could mean any of a day's hours."""


def _instant(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise NaiveMomentError(f"expected a moment with a zone, got {value.isoformat()}")
    return text_of(value)


def _pairs(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return ",".join(f"{_quoted(key)}=>{'NULL' if text is None else _quoted(text)}" for key, text in value.items())
    except AttributeError:
        raise TypeError(f"expected a dict of texts for an hstore, got {value!r}") from None


def _array_encoder(encode: Encode) -> Encode:
    def element(value: Any) -> str:
        if value is None:
            return "NULL"
        return nested(value) if isinstance(value, (list, tuple)) else _quoted(encode(value))

    def nested(values: Any) -> str:
        return "{" + ",".join([element(value) for value in values]) + "}"

    return nested


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def text_of(value: object) -> str:
    """Return the text by which PostgreSQL reads ``value``; :class:`TypeError` for a type that has none."""
    convert = _TEXTS.get(type(value))
    if convert is not None:
        return convert(value)
    if isinstance(value, Enum):
        return text_of(value.value)
    for kind, convert in _TEXTS.items():
        if isinstance(value, kind):
            return convert(value)
    raise TypeError(f"no PostgreSQL text for {type(value).__name__}: use a field type of pydantic's standard ones")


_TEXTS: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda value: "t" if value else "f",  # before int, which a bool is too
    int: str,
    float: str,
    Decimal: str,
    UUID: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: lambda value: f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds",
    bytes: lambda value: "\\x" + value.hex(),
    IPv4Address: str,
    IPv6Address: str,
    IPv4Interface: str,
    IPv6Interface: str,
    IPv4Network: str,
    IPv6Network: str,
}
