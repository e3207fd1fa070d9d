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
    """Why a command was parked or deferred. ``sqlstate`` is set when the error came from PostgreSQL."""

    cause: str
    message: str
    sqlstate: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one command.

    ``applied`` and ``duplicate`` (applied before) mean success; ``parked`` means failure, with its ``cause``;
    ``deferred`` is not final, and its ``cause`` says why.

    ``xid`` and ``committed_at`` belong to the transaction that decided it; for a duplicate, to the first one.
    ``commit_lsn`` is read after that commit: it is an upper bound of the commit's own position, and lowest in the
    receipt of the decision itself. ``result`` is what the handler returned for the command; it is not stored, so only
    the receipt of the decision has it.
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
        """Whether this outcome cannot change any more."""
        return self.outcome != "deferred"

    def visible_on(self, connection: Any) -> bool:
        """Whether the effect can be read over a connection: always on the primary, on a replica once it has caught up.

        This holds for statements that begin now; an older snapshot (REPEATABLE READ) may not contain it. ``connection``
        is any DB-API connection, or a connection or session of SQLAlchemy. It runs one query and blocks for it.
        """
        return self.commit_lsn is not None and shows(connection, self.commit_lsn)

    async def avisible_on(self, connection: Any) -> bool:
        """:meth:`visible_on` for asyncio: connections of asyncpg, psycopg and SQLAlchemy."""
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
    """Return the answer to a question about a command that no writer has decided."""
    return to_json({"task_id": command_id, "status": "SUCCESS", "result": None, "traceback": None, "children": []})


def from_result_message(body: bytes) -> Receipt | None:
    """Read the body that :func:`to_result_message` or :func:`unknown_result_message` made; None for the latter."""
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
    """Raised by Celery's ``AsyncResult.get()`` for a parked command. The text is the cause's message."""
