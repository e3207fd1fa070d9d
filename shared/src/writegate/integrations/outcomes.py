"""What a command that publishes and waits prints of a receipt, and its exit code. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic_core import to_json

from writegate.message.receipt import Receipt

DONE, REFUSED, LATE = 0, 1, 3

_APPLIED = {"applied", "duplicate"}
_NOT_FINAL = {"deferred", "late"}  # late: no receipt in time


def exit_code(outcomes: Iterable[str]) -> int:
    """Return 0 when all commands are applied, 3 when an outcome is not final, 1 when one is final and not applied."""
    others = set(outcomes) - _APPLIED
    if others & _NOT_FINAL:
        return LATE
    return REFUSED if others else DONE


def receipt_line(receipt: Receipt) -> str:
    """Return a receipt as a line for people: the outcome, and its cause or what the handler returned."""
    if receipt.cause is not None:
        return f"{receipt.outcome} {receipt.id}: {receipt.cause.cause}: {receipt.cause.message}"
    line = f"{receipt.outcome} {receipt.id} xid {receipt.xid} at {receipt.committed_at}"
    return line if receipt.result is None else f"{line} result {to_json(receipt.result).decode()}"
