"""The audit: who did what to which target, when, why and by which command."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from writegate.contract.operations import PARKED, OnKept, Operation
from writegate_writer.operations.kept_rows import KeptRow
from writegate_writer.receive.sanitizing import sanitize_json, sanitize_text

Result = dict[str, Any]

_WRITE = """
INSERT INTO writegate.audit (who, action, target, detail, command) VALUES (%s, %s, %s, %s::jsonb, %s)
"""


def write(connection: Connection, operation: Operation, action: str, target: str, detail: Mapping[str, Any]) -> None:
    """Write to the audit what was done, or that it was refused."""
    complete = {"reason": operation.reason, **detail}
    parameters = (
        sanitize_text(operation.by),
        action,
        sanitize_text(target),
        json.dumps(sanitize_json(complete)),
        operation.command_id,
    )
    connection.exec_driver_sql(_WRITE, parameters)


def refused(connection: Connection, operation: Operation, action: str, target: str, why: str) -> Result:
    """Write to the audit that an operation was refused; return its result."""
    write(connection, operation, action, target, {"refused": why})
    return {"refused": why[:900]}  # a result has at most 1 KiB


def report_page(  # noqa: PLR0913, PLR0917  the fields of an entry of the audit
    connection: Connection,
    operation: OnKept,
    action: str,
    rows: Sequence[KeptRow],
    done: Sequence[KeptRow],
    skipped: Counter[str],
) -> Result:
    """Write to the audit what was done with a page of kept commands; return the result.

    A first page without any command is written too, as an action on none. Later pages are empty only because others
    were faster.
    """
    why = {reason: count for reason, count in skipped.items() if count}
    if rows or operation.after == 0:
        numbers = "numbers" if operation.kept is PARKED else "deferred"
        detail = {"done": len(done), "causes": _by_cause(done), "skipped": why, numbers: [row.number for row in done]}
        write(connection, operation, action, f"{operation.kept.name} {operation.selection}", detail)
    return {"done": len(done), "last": rows[-1].number if rows else operation.after, "skipped": why}


def _by_cause(rows: Sequence[KeptRow]) -> dict[str, int]:
    return dict(Counter(row.cause for row in rows))
