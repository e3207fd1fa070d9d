"""Editing a parked command: replacing its fields."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from writegate.contract.command import contract_of
from writegate.contract.json_values import read_json, show_json, write_json
from writegate.contract.operations import PARKED, Edit, Selection
from writegate.errors import MalformedMessage
from writegate_writer.handlers.writes import Writes
from writegate_writer.operations import audit
from writegate_writer.operations.audit import Result
from writegate_writer.operations.kept_commands import is_object, read
from writegate_writer.operations.kept_rows import KeptRow, installed, page
from writegate_writer.operations.tables import TABLES
from writegate_writer.receive.delivery import NotYet

_SHORT_CHARACTERS = 200
_EDIT = "UPDATE writegate.parked SET raw = %s, version = %s WHERE seq = %s"


def register(writes: Writes) -> None:
    """Register the handler."""
    writes.each(Edit, tables=TABLES)(edit)


def edit(connection: Connection, operation: Edit) -> Result:
    """Replace the fields of a parked command, if its contract accepts them. Its id and its number stay."""
    rows = page(connection, PARKED, Selection(numbers=(operation.number,)), 1)
    if not rows:
        return audit.refused(
            connection, operation, "edit", str(operation.number), f"no parked command has the number {operation.number}"
        )
    [row] = rows
    edited = _edited(row, operation.fields)
    if isinstance(edited, str):
        return audit.refused(connection, operation, "edit", str(operation.number), edited)
    was, now = _digest(row.raw), _digest(edited.raw)
    if was != operation.was:
        return audit.refused(
            connection, operation, "edit", str(operation.number), "it was edited meanwhile: look at it again"
        )
    connection.exec_driver_sql(_EDIT, (edited.raw, edited.version, row.number))
    detail = {"id": row.id, "was": was, "is": now, "changed": _changed(row.raw, edited.raw), "numbers": [row.number]}
    audit.write(connection, operation, "edit", str(operation.number), detail)
    return {"edited": row.number, "is": now}


def _edited(row: KeptRow, text: str) -> KeptRow | str:
    """Return the row with other fields, or what is wrong with them."""
    raw = text.encode()
    if not is_object(raw):
        return "expected the fields as a JSON object"
    writes = installed().get(row.service)
    if writes is None:
        return f"{row.service} is not installed with the writer"
    # In the decoder's own form. What came without a version that could be read is of today's.
    kind = writes.service.commands.get(row.task or "")
    version = row.version or (contract_of(kind).version if kind is not None else 1)
    edited = replace(row, raw=write_json(read_json(raw)), version=version)
    try:
        placed = read(edited, writes.service)
    except MalformedMessage as error:
        return str(error)
    return placed.command.reason if isinstance(placed.command, NotYet) else edited


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _changed(was: bytes, now: bytes) -> dict[str, Any]:
    """Return the fields that differ, each with what it was and is, cut short."""
    old, new = (read_json(raw) if is_object(raw) else {} for raw in (was, now))
    names = [name for name in {**old, **new} if old.get(name, ...) != new.get(name, ...)]
    return {name: [_short(fields[name]) if name in fields else None for fields in (old, new)] for name in names}


def _short(value: Any) -> str:
    text = show_json(value)
    return text if len(text) <= _SHORT_CHARACTERS else text[:_SHORT_CHARACTERS] + "…"
