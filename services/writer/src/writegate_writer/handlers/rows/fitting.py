"""Whether a column takes every value of the field that fills it, as far as declarations and the catalogue tell. Pure.

A value that fits has a text that the column's type reads as the same value. What only a value shows (a text that is too
long, a number that is too large) is the database's to refuse, for that command alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

import pydantic
from sqlalchemy import ARRAY, JSON, Interval, TypeDecorator
from sqlalchemy import Enum as EnumType
from sqlalchemy.dialects.postgresql import HSTORE
from sqlalchemy.types import TypeEngine

from writegate import Command
from writegate_writer.handlers.rows.literal import encoder
from writegate_writer.handlers.rows.source import DIALECT, RowSource

_TEXT = frozenset({"text", "varchar", "bpchar", "citext", "name"})
_WHOLE = frozenset({"int2", "int4", "int8", "oid"})
_BINARY = frozenset({"float4", "float8"})
_ADDRESS = frozenset({"inet", "cidr"})
_MOMENTS = frozenset({"date", "time", "timetz", "timestamp", "timestamptz", "interval"})
MONEY_PLACES = 2

# Types of PostgreSQL (pg_type.typname) that read every value of a Python type as what it is. The first match counts: a
# bool is an int, a datetime a date, an interface an address.
_TAKEN_BY: Mapping[type, frozenset[str]] = {
    bool: frozenset({"bool"}),
    int: _WHOLE | _BINARY | _TEXT | {"numeric", "money"},
    float: _BINARY | _TEXT | {"numeric"},
    Decimal: _BINARY | _TEXT | {"numeric", "money"},
    bytes: frozenset({"bytea"}),
    pydantic.AwareDatetime: _TEXT | {"timestamptz"},
    pydantic.NaiveDatetime: _TEXT | {"timestamp"},
    datetime: _TEXT | {"timestamptz", "timestamp"},
    date: _TEXT | {"date", "timestamp"},
    time: _TEXT | {"time", "timetz"},
    timedelta: frozenset({"interval"}),
    UUID: _TEXT | {"uuid"},
    IPv4Interface: _TEXT | {"inet"},
    IPv6Interface: _TEXT | {"inet"},
    IPv4Address: _TEXT | _ADDRESS,
    IPv6Address: _TEXT | _ADDRESS,
    IPv4Network: _TEXT | _ADDRESS,
    IPv6Network: _TEXT | _ADDRESS,
}
# Of any other type, such as one of an extension, nothing is known here.
_KNOWN = frozenset().union(*_TAKEN_BY.values()) | _MOMENTS | {"json", "jsonb", "hstore", "xml", "bit", "varbit", "enum"}
# A text has to be what one of these reads. Each has a Python type of its own, of which every value is.
_BETTER = {
    **dict.fromkeys(_WHOLE, "int"),
    **dict.fromkeys(_BINARY, "float"),
    "numeric": "Decimal",
    "money": "Decimal",
    "bool": "bool",
    "date": "date",
    "time": "time",
    "timetz": "time",
    "timestamp": "NaiveDatetime",
    "timestamptz": "AwareDatetime",
    "interval": "timedelta",
}
# What pydantic names with a class of its own, and gives as another.
_GIVEN_AS: Mapping[Any, Any] = {
    pydantic.PastDatetime: datetime,
    pydantic.FutureDatetime: datetime,
    pydantic.PastDate: date,
    pydantic.FutureDate: date,
    pydantic.EmailStr: str,
    pydantic.IPvAnyAddress: IPv4Address,
    pydantic.IPvAnyInterface: IPv4Interface,
    pydantic.IPvAnyNetwork: IPv4Network,
}
_LISTS = (list, tuple, set, frozenset, Sequence)


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column as the database has it.

    ``text``: its type as people write it. ``kind``: pg_type's name of it, or ``enum``; of what a domain stands on, and
    of an array's elements. ``labels``: of an enumeration. ``places``: digits after the point that a numeric keeps.
    """

    text: str
    kind: str
    labels: tuple[str, ...] = ()
    places: int | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """A field and the column that it does not fit. ``loses``: only some of its values, and they are stored changed."""

    field: str
    text: str
    loses: bool = False


@dataclass(frozen=True, slots=True)
class _Value:
    """What a field may be: a class, or an alias such as ``list[int]``; with what its declaration says beside it."""

    type: Any
    metadata: tuple[Any, ...]


def misfits(command: type[Command], source: RowSource, stored: Mapping[str, StoredColumn]) -> Iterator[Misfit]:
    """Yield the fields of which some value has no place in the column that they fill.

    ``stored``: the table's columns by name; one that is not there is left to the database to name.
    """
    for filled in source.columns:
        there = stored.get(filled.column.name)
        if there is None or not isinstance(filled.field, str):
            continue
        info = command.model_fields[filled.field]
        place = f"column {filled.column.name} ({there.text})"
        values = list(_values(info.annotation, tuple(info.metadata)))
        for value in values:
            if (problem := _problem(value, filled.column.type, there)) is not None:
                yield Misfit(filled.field, f"{_name(value.type)} does not fit {place}: {problem}")
                break
        else:
            losses = (_loss(value, filled.column.type, there) for value in values)
            if (loss := next(filter(None, losses), None)) is not None:
                yield Misfit(filled.field, f"{place} {loss}", loses=True)


def _values(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[_Value]:
    """Yield the types that a value may have, but for None."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _values(arguments[0], (*metadata, *arguments[1:]))
    elif origin in {Union, UnionType}:
        for argument in arguments:
            yield from _values(argument, metadata)
    elif hasattr(annotation, "__supertype__"):  # of NewType
        yield from _values(annotation.__supertype__, metadata)
    elif hasattr(annotation, "__value__"):  # a name for a type
        yield from _values(annotation.__value__, metadata)
    elif annotation not in {None, NoneType, Any} and not isinstance(annotation, TypeVar):
        yield _Value(_GIVEN_AS.get(annotation, annotation), metadata)


def _problem(value: _Value, declared: TypeEngine[Any], stored: StoredColumn) -> str | None:  # noqa: PLR0911  one a kind
    """Return why no value, or not every one, has a text for the column."""
    if isinstance(declared, JSON) or _converts(declared):
        return None
    if isinstance(declared, ARRAY):
        return _of_items(value, declared, stored)
    if isinstance(declared, HSTORE):
        return None if (get_origin(value.type) or value.type) in {dict, str} else "expected a dict of texts"
    if (finite := _finite(value.type)) is not None:
        return _of_finite(finite, declared, stored)
    if get_origin(value.type) is not None or not isinstance(value.type, type):
        return "it has no text as a column: use a column of JSON, or an array for a list"
    if issubclass(value.type, str):
        return "a text is read there with its backslashes as escapes: use bytes" if stored.kind == "bytea" else None
    taken = next((kinds for kind, kinds in _TAKEN_BY.items() if issubclass(value.type, kind)), None)
    if taken is None:
        return "it has no text as a column: use a type of the standard library, or a column of JSON"
    if isinstance(declared, EnumType):
        return "expected a text, or the enumeration of the column"
    return "its values mean something else there, or nothing" if stored.kind in _KNOWN - taken else None


def _converts(declared: TypeEngine[Any]) -> bool:
    """Whether a service's own type converts values, of which nothing can be told."""
    return isinstance(declared, TypeDecorator) and not isinstance(declared, Interval)


def _of_items(value: _Value, declared: ARRAY[Any], stored: StoredColumn) -> str | None:
    if (get_origin(value.type) or value.type) not in _LISTS:
        return "expected a list for an array"
    for item in (item for argument in get_args(value.type) if argument is not ... for item in _values(argument)):
        nested = (get_origin(item.type) or item.type) in _LISTS and not isinstance(declared.item_type, JSON)
        if (problem := _problem(item, declared if nested else declared.item_type, stored)) is not None:
            return f"{_name(item.type)}: {problem}"
    return None


def _finite(kind: Any) -> Sequence[Any] | None:
    """Return all values of an enumeration or of literals."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return list(kind) if isinstance(kind, type) and issubclass(kind, Enum) else None


def _of_finite(values: Iterable[Any], declared: TypeEngine[Any], stored: StoredColumn) -> str | None:
    encode: Callable[[Any], str] = encoder(declared, DIALECT)
    for value in values:
        plain = value.value if isinstance(value, Enum) else value
        try:
            text = encode(value)
        except (LookupError, TypeError):
            return f"{value!r} is no member of the enumeration that the table declares for it"
        if stored.kind == "enum" and text not in stored.labels:
            return f"{value!r} would be stored as {text!r}, which is none of {', '.join(map(repr, stored.labels))}"
        if stored.kind != "enum" and (problem := _problem(_Value(type(plain), ()), _Plain(), stored)) is not None:
            return f"{value!r}: {problem}"
    return None


class _Plain(TypeEngine[Any]):
    """Declares nothing of its own."""


def _loss(value: _Value, declared: TypeEngine[Any], stored: StoredColumn) -> str | None:
    """Return what becomes of some values, though the column takes them all."""
    if isinstance(declared, ARRAY | JSON | EnumType) or _converts(declared) or not isinstance(value.type, type):
        return None
    if issubclass(value.type, str) and not issubclass(value.type, Enum):
        better = _BETTER.get(stored.kind)
        return better and f"reads texts such as 'today' or '1e2' in its own way: declare the field as {better}"
    if not issubclass(value.type, Decimal):
        return None
    if stored.kind in _BINARY:
        return "rounds Decimals to binary fractions: use a numeric column, or declare the field as float"
    places = MONEY_PLACES if stored.kind == "money" else stored.places
    parts = [inner for part in value.metadata for inner in (part, *getattr(part, "metadata", ()))]
    given = [found for part in parts if (found := getattr(part, "decimal_places", None)) is not None]
    if places is None or (given and min(given) <= places):
        return None
    return f"rounds to {places} decimal places: declare the field with decimal_places={places}, or widen the column"


def _name(kind: Any) -> str:
    """Return a type as its declaration has it, without the modules."""
    if get_origin(kind) is Literal:
        return str(kind).removeprefix("typing.")
    plain = isinstance(kind, type) and get_origin(kind) is None
    return kind.__name__ if plain else re.sub(r"\b\w+\.(?=\w)", "", str(kind))
