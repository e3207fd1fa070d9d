"""Values that the writer would refuse, found before a command is sent.

Types cannot exclude them: PostgreSQL stores no NUL, UTF-8 has no lone surrogates, JSON has no NaN. In a message of many
such a command would also make its neighbours unreadable.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeGuard

from pydantic_core import PydanticSerializationError, from_json, to_json

from writegate.contract.command import Command, contract_of
from writegate.errors import InvalidCommand

MAX_ID_BYTES = 128  # it is also the AMQP correlation id, which is limited to 255 bytes
MAX_KEY_CHARS = 512

# PostgreSQL stores no NUL, UTF-8 has no lone surrogates; AMQP clients let both through.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")

# JSON readers stop at a depth of 200 and at integers of 4300 digits. The message around the fields adds some depth.
_MOST_BRACKETS, _MOST_DIGITS = 190, 4300
BYTES = (
    "expected bytes that are UTF-8 text without NUL, as which they travel. For others, let the command have "
    "model_config = ConfigDict(ser_json_bytes='base64', val_json_bytes='base64')"
)
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
        raise _invalid(command, _unfit(command) or ("fields", str(error))) from None
    # Every publish runs this: the cheap test of the bytes comes first, the search through the values only after it.
    if _suspicious(fields) and (unfit := _unfit(command)):
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
        # A nested model has its own configuration, which by default writes NaN as null.
        or (b"null" in fields and fields.count(b"{") > 1)
    )


def _unfit(command: Command) -> tuple[str, str] | None:
    """Return the path of a value that cannot be sent, and why; None when there is no such value."""
    as_text = command.model_config.get("ser_json_bytes", "utf8") == "utf8"
    remaining: list[tuple[str, Any]] = [("", command.model_dump())]
    seen: set[int] = set()  # a list may contain itself
    while remaining:
        path, value = remaining.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        match value:
            case str() if not is_text(value):
                return path, "expected text without NUL and lone surrogates, which PostgreSQL cannot store"
            case bytes() if as_text and not is_text(_decoded(value)):
                return path, BYTES
            case float() if not math.isfinite(value):
                return path, f"expected a finite number, which JSON has only, got {value}"
            case dict():
                remaining += [(_step(path, name), part) for name, part in value.items()]
                remaining += [(_step(path, name), name) for name in value]
            case list() | tuple() | set() | frozenset():
                remaining += [(_step(path, position), part) for position, part in enumerate(value)]
    return None


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _step(path: str, name: object) -> str:
    step = str(name) if is_text(str(name)) else ascii(name)
    return f"{path}.{step}" if path else step


def _invalid(command: Command, found: tuple[str, str]) -> InvalidCommand:
    return InvalidCommand(command.command_id, contract_of(command).task, *found)
