"""What became of a command, and how the answer travels: as a Celery result message."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic_core import from_json, to_json

from writegate.message.replicas import ashows, shows

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
    ``cause``; ``deferred`` is not final, and its ``cause`` says what it waits for.

    ``xid`` and ``committed_at`` are those of the transaction that decided it, for a duplicate too: the first one.
    ``commit_lsn`` is read after that commit: an upper bound of the commit's own position, the lowest in the receipt of
    the decision itself. ``result`` is what the handler returned for it; it is not kept, so it comes once.
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
        """Whether this outcome stays."""
        return self.outcome != "deferred"

    def visible_on(self, connection: Any) -> bool:
        """Whether the server behind a connection shows the effect: at once on the primary, on a replica after a while.

        For statements that begin now: one of an older snapshot (REPEATABLE READ) may not see it yet. ``connection`` is
        any DB-API connection, or a connection or session of SQLAlchemy.
        """
        return self.commit_lsn is not None and shows(connection, self.commit_lsn)

    async def avisible_on(self, connection: Any) -> bool:
        """:meth:`visible_on` for connections of asyncpg, and async ones of psycopg and SQLAlchemy."""
        return self.commit_lsn is not None and await ashows(connection, self.commit_lsn)


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
