"""The audit: who did what to which target, when, why and by which command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from writegate.contract.operations import Operation
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
