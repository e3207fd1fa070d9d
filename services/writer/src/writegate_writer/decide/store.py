"""What a turn asks of the database, as a protocol: the SQL stands behind it, and so can a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

from writegate.contract.command import Command
from writegate.message.envelope import Item
from writegate.message.receipt import Receipt
from writegate_writer.decide.deferral import Deferral, DeferredIndex, DeferredRow
from writegate_writer.decide.holds import Holds
from writegate_writer.errors import DatabaseFault
from writegate_writer.receive.delivery import Refused

APPLIED, PARKED = "a", "p"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who applies: the writer, and the domain it holds with which epoch."""

    writer: str
    domain: str
    epoch: int
    lease_seconds: float


class Known(NamedTuple):  # one is made a command
    """What the ledger says of an id it has seen."""

    outcome: str
    hash: int


@dataclass(frozen=True, slots=True)
class Opened:
    """An open, fenced transaction.

    ``known``: which of the ids were decided before; ``deferred``: which wait, with their content's hash.
    """

    batch: int
    xid: int
    started_at: datetime
    known: Mapping[str, Known]
    deferred: Mapping[str, int]
    holds: Holds
    revision: int = 0  # of what people changed about what waits in the domain


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A row of the outbox. ``lanes``: how many its service has, as this transaction saw it; None: as declared."""

    seq: int
    item: Item
    service: str
    parent: str | None
    origin: str | None
    lanes: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """What an earlier owner of a domain left."""

    leftovers: list[Outgoing]
    waiting: DeferredIndex


class Store(Protocol):
    """A database connection, as a turn sees it. Every method may raise :class:`DatabaseFault`."""

    def start(self, holder: Holder) -> Started:
        """Commit an empty fenced transaction; return what was left."""

    def waiting(self, holder: Holder) -> DeferredIndex:
        """Take stock of what waits in a domain, as of one moment."""

    def check_held(self, holder: Holder) -> None:
        """Pass the fence in a transaction of its own, for what is done outside of one."""

    def open(self, holder: Holder, service: str, ids: Sequence[str], since: date) -> Opened:
        """Begin, pass the fence, look up ids (as the ledger has them) decided since a day, read the holds."""

    def enter(self, holder: Holder, opened: Opened, service: str, rows: Sequence[tuple[str, str, int]]) -> None:
        """Write the batch's row and the decisions ``(ledger id, outcome, hash)``; become the service's role."""

    def call(self, service: str, task: str, commands: Sequence[Command]) -> Mapping[str, Any] | None:
        """Run a handler. Also raises :class:`Reject` and :class:`HandlerFault`."""

    def changed_rows(self) -> Mapping[str, int]:
        """Return how many rows of each table (``schema.table``) this connection has changed, counted from any time."""

    def leave(self, holder: Holder, opened: Opened, sent: int | None) -> bool:
        """Leave the service's role, end the batch, forget the outbox up to ``sent``.

        Returns False when this is not the transaction that was entered.
        """

    def park(self, refused: Sequence[Refused]) -> None:
        """Keep what was refused."""

    def defer(self, holder: Holder, aside: Sequence[Deferral]) -> None:
        """Keep what must wait, in this order."""

    def settle_deferred(self, applied: Sequence[int], parked: Sequence[int]) -> None:
        """Note that rows were decided; a conflict when one of them no longer waits."""

    def settle_parked(
        self, opened: Opened, service: str, applied: Mapping[int, str], again: Mapping[int, Refused]
    ) -> None:
        """Write down what became of parked commands that were decided again, by their numbers.

        ``applied``: their ledger ids, whose outcome in the ledger is changed. ``again``: these stay parked, with their
        new cause.
        """

    def fill_outbox(self, holder: Holder, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """Store emitted commands; return them with their numbers."""

    def commit(self) -> tuple[str, datetime]:
        """Commit; return a WAL position not before the commit's, and the time."""

    def roll_back(self) -> None:
        """Undo the open transaction, if there is one."""

    def conflict(self, holder: Holder, error: DatabaseFault, attempt: int) -> None:
        """Count and keep a fight with an outsider that ended the transaction."""

    def delete_sent(self, holder: Holder, sent: int) -> None:
        """Delete from the outbox up to ``sent``, in a transaction of its own."""

    def look_up(self, service: str, ids: Sequence[str]) -> Mapping[str, Receipt]:
        """Return what became of commands, by id, without those that were never seen."""

    def deferred(self, holder: Holder, after: int, limit: int) -> list[DeferredRow]:
        """Return what waits in a domain, oldest first, after a row's number."""

    def limit_waiting(self, seqs: Sequence[int], seconds: float) -> None:
        """Let rows that wait without a limit wait for so long from now."""

    def hold_task(self, task: str, reason: str) -> float:
        """Hold a command type for a while, longer each time in a row; return for how many seconds."""

    def release_task(self, task: str) -> None:
        """Take a writer's hold off a command type."""

    def suspect(self, holder: Holder, service: str, ledger_id: str) -> int:
        """Note, for good, what may end the process; return how many writers have, one after the other."""

    def clear_suspect(self, service: str, ledger_id: str) -> None:
        """It did not end the process."""
