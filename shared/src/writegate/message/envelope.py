"""The wire format: Celery message protocol 2, JSON, with three headers of our own.

``encode`` and ``encode_many`` make messages as Celery's own producer would; ``decode`` reads the message of any
producer and checks everything in it.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from writegate.contract.command import Command, contract_of, key_of
from writegate.errors import InvalidCommand, MalformedMessage
from writegate.message.body import MAX_BODY_BYTES, Kwargs, body_of, read_kwargs, short
from writegate.message.read_back import check_read_back
from writegate.message.validation import MAX_ID_BYTES, MAX_KEY_CHARS, fields_of, is_id, is_key, is_text

KEY_HEADER = "writegate-key"
VERSION_HEADER = "writegate-version"
USER_HEADER = "writegate-user"
HOPS_HEADER = "writegate-hops"  # set by a writer that forwards a command to its right lane
TRACE_HEADER = "traceparent"  # of the publish call; a list when one message carries the commands of several calls

MANY_TASK = "writegate.many"
LOOKUP_TASK = "writegate.lookup"

PACK_BYTES = MAX_BODY_BYTES - 1024  # of the commands in one message: the limit without the frame around them
MAX_PARTS = 2000  # commands in one message: as many rows it may park
MAX_TRACEPARENTS = 128  # in one message: as many links as a span may have by default

# W3C Trace Context, section 3.2: version 00, trace id, span id, flags.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_ORIGIN = f"gen{os.getpid()}@{socket.gethostname()}"


@dataclass(frozen=True, slots=True)
class Item:
    """One command in a message: its id, task name, version, key and fields as JSON bytes.

    ``traceparent`` is the trace context of the publish call, when it is traced. ``plain``: the fields are known to be
    JSON as we write it ourselves, in which every number is one that a float holds.
    """

    id: str
    task: str
    version: int
    key: str | None
    fields: bytes
    traceparent: str | None = None
    plain: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message ready for any AMQP client. ``properties`` are the AMQP basic properties without ``headers``."""

    body: bytes
    headers: dict[str, Any]
    properties: dict[str, Any]


def item_of(command: Command) -> Item:
    """Return the item of a command.

    Raises :class:`InvalidCommand` for what the writer would refuse, or read otherwise than it is given.
    """
    contract, key, command_id = contract_of(command), key_of(command), command.command_id
    if not is_id(command_id):
        raise InvalidCommand(repr(command_id), contract.task, "id", f"expected text of 1 to {MAX_ID_BYTES} bytes")
    fields = fields_of(command)
    if key is not None and not is_key(key):
        reason = f"expected text of at most {MAX_KEY_CHARS} characters, got {short(key)}"
        raise InvalidCommand(command_id, contract.task, "key", reason)
    check_read_back(command, fields, key)
    return Item(command_id, contract.task, contract.version, key, fields)


def encode(item: Item, *, parent: str | None = None) -> Message:
    """Return the message of one command, as ``app.send_task`` would build it."""
    headers = _headers(item.task, item.id, parent) | {VERSION_HEADER: item.version} | _traced([item])
    if item.key is not None:
        headers[KEY_HEADER] = item.key
    return _message(item.id, headers, item.fields)


def encode_many(message_id: str, items: Sequence[Item]) -> Message:
    """Return one message that carries many commands of one lane. Each has its own id and outcome."""
    rows = b",".join(_row(item) for item in items)
    headers = _headers(MANY_TASK, message_id, None) | _traced(items)
    return _message(message_id, headers, b'{"commands":[' + rows + b"]}")


def _traced(items: Sequence[Item]) -> dict[str, Any]:
    return trace_header(item.traceparent for item in items if item.traceparent is not None)


def trace_header(traceparents: Iterable[str]) -> dict[str, Any]:
    """Return the header for these trace contexts: one value, a list, or no header when there is none."""
    found = list(dict.fromkeys(traceparents))[:MAX_TRACEPARENTS]
    return {TRACE_HEADER: found if len(found) > 1 else found[0]} if found else {}


def traceparents_of(headers: Mapping[str, Any]) -> list[str]:
    """Return the valid trace contexts of a message. Others are ignored: anybody may have sent it."""
    given = headers.get(TRACE_HEADER)
    found = given[:MAX_TRACEPARENTS] if isinstance(given, list) else [given]
    return [value for value in found if isinstance(value, str) and _TRACEPARENT.fullmatch(value)]


def row_bytes(item: Item) -> int:
    """Return an upper bound in bytes of what an item adds to a message of many."""
    return len(item.fields) + len(item.task) + 2 * len((item.key or "").encode()) + 96


def _row(item: Item) -> bytes:
    return b"[" + to_json([item.id, item.task, item.version, item.key])[1:-1] + b"," + item.fields + b"]"


def _message(message_id: str, headers: dict[str, Any], kwargs: bytes) -> Message:
    properties = {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "priority": 0,
        "correlation_id": message_id,
    }
    return Message(body_of(kwargs), headers, properties)


def _headers(task: str, message_id: str, parent: str | None) -> dict[str, Any]:
    # argsrepr and kwargsrepr are left out: they would show data in logs and monitors.
    return {
        "lang": "py",
        "task": task,
        "id": message_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": parent or message_id,
        "parent_id": parent,
        "origin": _ORIGIN,
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def decode(body: bytes, headers: Mapping[str, Any], properties: Mapping[str, Any]) -> tuple[Item, ...]:
    """Return the commands in a message that anybody may have sent.

    Raises :class:`MalformedMessage`, whose cause is one of: ``too-large``, ``not-json``, ``invalid-json``,
    ``content-encoding``, ``protocol``, ``no-id``, ``bad-id``, ``no-task``, ``positional-args``, ``not-kwargs``,
    ``eta``, ``expires``, ``canvas``, ``bad-header``, ``bad-many``,
    ``too-many``.
    """
    task, message_id = _who(headers)
    kwargs = read_kwargs(body, headers, properties, stock=VERSION_HEADER not in headers)
    _refuse_what_we_do_not_run(headers)
    if task == MANY_TASK:
        return _items(kwargs)
    return (Item(message_id, task, _version(headers), _key(headers), kwargs.text, plain=kwargs.plain),)


def _who(headers: Mapping[str, Any]) -> tuple[str, str]:
    if "task" not in headers and "id" not in headers:
        raise MalformedMessage(
            "protocol", "expected Celery protocol 2 with headers 'task' and 'id'; got neither (protocol 1?)"
        )
    task = headers.get("task")
    if not is_text(task) or not task:
        raise MalformedMessage("no-task", f"expected header 'task' to be a task name, got {short(task)}")
    if "id" not in headers:
        raise MalformedMessage("no-id", "expected a header 'id', got none")
    return task, _id(headers["id"])


def _id(value: Any) -> str:
    if not is_id(value):
        raise MalformedMessage("bad-id", f"expected an id of 1 to {MAX_ID_BYTES} bytes, got {short(value)}")
    return value


def _refuse_what_we_do_not_run(headers: Mapping[str, Any]) -> None:
    if headers.get("eta") is not None:
        raise MalformedMessage(
            "eta", f"expected no eta or countdown (commands are applied in order), got {short(headers['eta'])}"
        )
    if headers.get("expires") is not None:
        raise MalformedMessage(
            "expires", f"expected no expires (an accepted write is not dropped), got {short(headers['expires'])}"
        )
    if headers.get("group") is not None:
        raise MalformedMessage("canvas", "expected a single task, got a member of a group")


def _version(headers: Mapping[str, Any]) -> int:
    version = headers.get(VERSION_HEADER, 1)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version < 2**31:
        raise MalformedMessage(
            "bad-header", f"expected header {VERSION_HEADER} to be a number from 1, got {short(version)}"
        )
    return version


def _key(headers: Mapping[str, Any]) -> str | None:
    key = headers.get(KEY_HEADER)
    if key is not None and not is_key(key):
        raise MalformedMessage(
            "bad-header",
            f"expected header {KEY_HEADER} to be text of at most {MAX_KEY_CHARS} characters, got {short(key)}",
        )
    return key


def _items(kwargs: Kwargs) -> tuple[Item, ...]:
    rows = kwargs.values.get("commands")
    if not isinstance(rows, list) or not rows:
        raise MalformedMessage(
            "bad-many", f"expected {{'commands': [[id, task, version, key, fields], …]}}, got {short(kwargs.values)}"
        )
    if len(rows) > MAX_PARTS:
        raise MalformedMessage("too-many", f"expected at most {MAX_PARTS} commands in a message, got {len(rows)}")
    return tuple(_item(row, kwargs) for row in rows)


def _item(row: Any, kwargs: Kwargs) -> Item:
    match row:
        case [id_, str(task), version, key, dict(fields)]:
            checked = {VERSION_HEADER: version, KEY_HEADER: key}
            text = kwargs.json(fields)
            return Item(_id(id_), task, _version(checked), _key(checked), text, plain=kwargs.plain)
    raise MalformedMessage("bad-many", f"expected [id, task, version, key, fields], got {short(row)}")
