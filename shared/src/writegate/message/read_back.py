"""Whether a writer would read from JSON what was given. Any thread may call this.

Compared once for each shape, the types of a command's values: what one string becomes, all strings become. A contract
whose own code writes values is compared every time, and so is everything in tests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from writegate.contract.command import Command, contract_of, key_of
from writegate.contract.declaration import has_own_serializers
from writegate.errors import InvalidCommand, first_wrong_field

_MOST_SHAPES = 1000  # of a contract; then they are forgotten, so that memory stays bounded
_SHORT_CHARACTERS = 80
_SIMPLE = frozenset({str, int, float, bool, bytes, type(None), Decimal, datetime, date, time, timedelta, UUID})


@dataclass(slots=True)
class _Compared:
    """Shapes of one contract that were found sound. Adding to a set needs no lock."""

    always: bool
    shapes: set[Any] = field(default_factory=set)


_compared: dict[type[Command], _Compared] = {}
_every = False


def compare_every_command() -> None:
    """Compare each command from now on, as a test wants it: a value may differ where its type does not show it."""
    global _every  # noqa: PLW0603  of the process, as what is compared is
    _every = True


def check_read_back(command: Command, written: bytes, key: str | None) -> None:
    """Raise :class:`InvalidCommand` when a writer would read another command, or none.

    ``written``: its fields as JSON; ``key``: the key that it travels with.
    """
    kind = type(command)
    compared = _compared.get(kind)
    if compared is None:
        compared = _compared[kind] = _Compared(has_own_serializers(kind))
    shape = _shape_of_values(command.__dict__.values())
    if shape in compared.shapes and not (_every or compared.always):
        return
    _compare(command, written, key)
    if len(compared.shapes) >= _MOST_SHAPES:
        compared.shapes.clear()
    compared.shapes.add(shape)


def _compare(command: Command, written: bytes, key: str | None) -> None:
    try:
        read = type(command).model_validate_json(written)
        read_key = key_of(read)
    except ValidationError as error:
        raise _invalid(command, "fields", f"a writer would refuse what is sent: {first_wrong_field(error)}") from None
    except Exception as error:
        raise _invalid(command, "fields", f"a writer could not read what is sent: {error!r}") from error
    for path, given, found in _differences("", command.__dict__, read.__dict__):
        reason = f"a writer would read {_short(found)} where {_short(given)} is given: JSON does not carry this"
        raise _invalid(command, path, reason)
    if read_key != key:
        raise _invalid(command, "key", f"a writer would compute {_short(read_key)}, here it is {_short(key)}")


def _differences(path: str, given: Any, read: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, given and read value of what differs. Lists and tuples are alike: JSON has only one of them."""
    if isinstance(given, dict) and isinstance(read, dict):
        if given.keys() == read.keys():
            for name, part in given.items():
                yield from _differences(f"{path}.{name}" if path else str(name), part, read[name])
            return
    elif isinstance(given, list | tuple) and isinstance(read, list | tuple):
        if len(given) == len(read):
            for number, (part, other) in enumerate(zip(given, read, strict=True)):
                yield from _differences(f"{path}.{number}", part, other)
            return
    elif (parts := _parts(given)) is not None and type(given) is type(read):
        yield from _differences(path, parts, _parts(read))
        return
    elif given == read:
        return
    yield path, given, read


def _parts(value: Any) -> Mapping[str, Any] | None:
    """Return the fields of a model or dataclass; None for other values."""
    if isinstance(value, BaseModel):
        return {**value.__dict__, **(value.__pydantic_extra__ or {})}
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name) for part in fields(value)}
    return None


def _shape(value: Any) -> Any:
    kind: Any = type(value)
    if kind in _SIMPLE:
        return kind
    match _make_of(kind):
        case "dict":
            return kind, _shapes(value), _shapes(value.values())
        case "list":
            return kind, _shapes(value)
        case "model" if not value.__pydantic_extra__:
            return kind, _shape_of_values(value.__dict__.values())
        case "other":
            return kind
    return kind, _shape_of_values((_parts(value) or {}).values())


def _shapes(values: Iterable[Any]) -> frozenset[Any]:
    # Most lists hold simple values of one type.
    kinds = set(map(type, values))
    return frozenset(kinds) if kinds <= _SIMPLE else frozenset(map(_shape, values))


def _shape_of_values(values: Collection[Any]) -> tuple[Any, ...]:
    kinds = tuple(map(type, values))
    return kinds if _SIMPLE.issuperset(kinds) else tuple(map(_shape, values))


@lru_cache(maxsize=4096)
def _make_of(kind: type) -> str:
    """Return what a type is made like: asked once, since ``isinstance`` takes longer than all else here."""
    if issubclass(kind, dict):
        return "dict"
    if issubclass(kind, list | tuple | set | frozenset):
        return "list"
    if issubclass(kind, BaseModel):
        return "model"
    return "dataclass" if is_dataclass(kind) else "other"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT_CHARACTERS else text[:_SHORT_CHARACTERS] + "…"


def _invalid(command: Command, path: str, reason: str) -> InvalidCommand:
    return InvalidCommand(command.command_id, contract_of(command).task, path, reason)
