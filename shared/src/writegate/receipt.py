"""What became of a command, and how the answer travels: as a Celery result message."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic_core import from_json, to_json

Outcome = Literal["applied", "duplicate", "parked", "deferred"]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a command was parked or deferred. ``sqlstate`` is given when PostgreSQL said so."""

    cause: str
    message: str
    sqlstate: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one command.

    ``applied`` and ``duplicate`` (it had been applied before) are the good ends; ``parked`` is the bad one, with its
    ``cause``; ``deferred`` is not final.

    ``commit_lsn`` is read after the commit: an upper bound of the commit's own position.
    """

    id: str
    outcome: Outcome
    xid: int | None = None
    commit_lsn: str | None = None
    committed_at: datetime | None = None
    result: Any = None
    cause: Cause | None = None

    @property
    def final(self) -> bool:
        """Whether this outcome can still change."""
        return self.outcome != "deferred"


def to_result_message(receipt: Receipt) -> bytes:
    """Return the body of a Celery result message, so that a stock ``AsyncResult.get()`` understands it."""
    body: dict[str, Any] = {
        "task_id": receipt.id,
        "status": "SUCCESS",
        "result": asdict(receipt),
        "traceback": None,
        "children": [],
    }
    if receipt.outcome == "parked":
        text = receipt.cause.message if receipt.cause else "parked"
        body["status"] = "FAILURE"
        body["result"] = {
            "exc_type": "Parked",
            "exc_module": "writegate.receipt",
            "exc_message": [text],
            "receipt": asdict(receipt),
        }
    return to_json(body)


def unknown_result_message(command_id: str) -> bytes:
    """Return the answer to a look-up of a command that the writer never decided."""
    return to_json({"task_id": command_id, "status": "SUCCESS", "result": None, "traceback": None, "children": []})


def from_result_message(body: bytes) -> Receipt | None:
    """Read what :func:`to_result_message` or :func:`unknown_result_message` wrote."""
    result = from_json(body)["result"]
    if result is None:
        return None
    fields = dict(result.get("receipt", result))
    if fields["cause"] is not None:
        fields["cause"] = Cause(**fields["cause"])
    if fields["committed_at"] is not None:
        fields["committed_at"] = datetime.fromisoformat(fields["committed_at"])
    return Receipt(**fields)


class Parked(Exception):
    """What ``AsyncResult.get()`` raises for a parked command."""
