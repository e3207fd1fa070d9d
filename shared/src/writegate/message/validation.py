"""What the writer would refuse of a command, found before it leaves.

Types cannot say all of it: PostgreSQL stores no NUL, UTF-8 has no lone surrogates, JSON has no NaN. In a message of
many such a command would also take its neighbours with it.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeGuard

from pydantic_core import PydanticSerializationError, from_json, to_json

from writegate.contract.command import Command, contract_of
from writegate.errors import InvalidCommand

MAX_ID_BYTES = 128  # it is the AMQP correlation id too, which has room for 255
MAX_KEY_CHARS = 512

# PostgreSQL stores no NUL, UTF-8 has no lone surrogates; AMQP clients let both through.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")

# JSON readers stop at a depth of 200 and at integers of 4300 digits; the message around the fields takes some depth.
_MOST_BRACKETS, _MOST_DIGITS = 190, 4300
_FRAME = b"[" * 8, b"]" * 8


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is text that PostgreSQL can store."""
    return isinstance(value, str) and UNSTORABLE.search(value) is None


def is_id(value: Any) -> TypeGuard[str]:
    """Whether a value can be a command's id."""
    return is_text(value) and 0 < len(value.encode()) <= MAX_ID_BYTES


def is_key(value: Any) -> TypeGuard[str]:
    """Whether a value can be a command's key."""
    return is_text(value) and len(value) <= MAX_KEY_CHARS


def fields_of(command: Command) -> bytes:
    """Return a command's fields as JSON that the writer can read.

    Raises :class:`InvalidCommand` with the path of the field that makes this impossible.
    """
    try:
        fields = to_json(command)
    except PydanticSerializationError as error:
        raise _invalid(command, _unfit(command.model_dump()) or ("fields", str(error))) from None
    # Every publish comes by here: what may hold something unfit is told from the bytes, only then is it looked for.
    if _suspicious(fields) and (unfit := _unfit(command.model_dump())):
        raise _invalid(command, unfit)
    if len(fields) > _MOST_DIGITS or fields.count(b"[") + fields.count(b"{") > _MOST_BRACKETS:
        try:
            from_json(_FRAME[0] + fields + _FRAME[1])
        except ValueError as error:
            raise _invalid(command, ("fields", f"JSON that cannot be read back: {error}")) from None
    return fields


def _suspicious(fields: bytes) -> bool:
    return (
        b"\\u0000" in fields
        or b"NaN" in fields
        or b"Infinity" in fields
        # A model inside a command has a configuration of its own, by default one that writes NaN as null.
        or (b"null" in fields and fields.count(b"{") > 1)
    )


def _unfit(fields: dict[str, Any]) -> tuple[str, str] | None:
    """Return the path of something that cannot travel, and why; None when there is nothing."""
    left: list[tuple[str, Any]] = [("", fields)]
    seen: set[int] = set()  # a list may hold itself
    while left:
        path, value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        match value:
            case str() if not is_text(value):
                return path, "expected text without NUL and lone surrogates, which PostgreSQL cannot store"
            case float() if not math.isfinite(value):
                return path, f"expected a finite number, which JSON has only, got {value}"
            case dict():
                left += [(_step(path, name), part) for name, part in value.items()]
                left += [(_step(path, name), name) for name in value]
            case list() | tuple() | set() | frozenset():
                left += [(_step(path, position), part) for position, part in enumerate(value)]
    return None


def _step(path: str, name: object) -> str:
    step = str(name) if is_text(str(name)) else ascii(name)
    return f"{path}.{step}" if path else step


def _invalid(command: Command, found: tuple[str, str]) -> InvalidCommand:
    return InvalidCommand(command.command_id, contract_of(command).task, *found)
