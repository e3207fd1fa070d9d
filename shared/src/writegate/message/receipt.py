"""What became of a command, and how the answer travels: as a Celery result message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic_core import from_json, to_json

from writegate.message.replicas import ashows, shows

Outcome = Literal["applied", "duplicate", "declined", "parked", "deferred"]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a command was declined, parked or deferred. ``sqlstate`` is set when the error came from PostgreSQL."""

    cause: str
    message: str
    sqlstate: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one command.

    ``applied`` and ``duplicate`` (applied before) mean success. ``declined``: a rule of the business said no, and
    nothing was written; ``parked``: something is wrong with it, and people look at it. ``deferred`` is not final. The
    ``cause`` of these three says why.

    ``xid`` and ``committed_at`` belong to the transaction that decided it; for a duplicate, to the first one.
    ``commit_lsn`` is read after that commit: it is an upper bound of the commit's own position, and lowest in the
    receipt of the decision itself. ``result`` is what the handler returned for the command, as JSON has it; it is kept
    with the decision, for as long as duplicates are recognised.
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

    @property
    def succeeded(self) -> bool:
        """Whether the command took effect, now or when its id came first."""
        return self.outcome in {"applied", "duplicate"}

    @property
    def reason(self) -> str | None:
        """Why it was declined, parked or deferred, for people; None when it was applied."""
        return self.cause.message if self.cause is not None else None

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
    """Return the body of a Celery result message, so that a stock ``AsyncResult.get()`` understands it.

    Declined and parked are a FAILURE, which ``get()`` raises. Deferred has a status of its own, which for Celery is not
    ready: ``get()`` goes on waiting.
    """
    body: dict[str, Any] = {
        "task_id": receipt.id,
        "status": "SUCCESS",
        "result": asdict(receipt),
        "traceback": None,
        "children": [],
    }
    if not receipt.final:
        body["status"] = "DEFERRED"
    elif receipt.outcome in _FAILURES:
        body["status"] = "FAILURE"
        body["result"] = {
            "exc_type": _FAILURES[receipt.outcome],
            "exc_module": "writegate.receipt",
            "exc_message": [receipt.reason or receipt.outcome],
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


class Declined(Exception):
    """Raised by Celery's ``AsyncResult.get()`` for a declined command. The text is the reason."""


class Parked(Exception):
    """Raised by Celery's ``AsyncResult.get()`` for a parked command. The text is the cause's message."""


_FAILURES: Mapping[Outcome, str] = {"declined": Declined.__name__, "parked": Parked.__name__}
