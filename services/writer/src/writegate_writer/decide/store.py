"""What a turn asks of the database, as a protocol: implemented with SQL, or by a simulation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

from writegate.contract.command import Command
from writegate.message.envelope import Item
from writegate.message.receipt import Cause, Outcome, Receipt
from writegate_writer.decide.deferral import Deferral, DeferredIndex, DeferredRow, Postponed
from writegate_writer.decide.holds import Holds
from writegate_writer.errors import DatabaseFault
from writegate_writer.receive.delivery import Refused

APPLIED, PARKED, DECLINED = "a", "p", "d"
OUTCOMES: Mapping[str, Outcome] = {APPLIED: "applied", PARKED: "parked", DECLINED: "declined"}


@dataclass(frozen=True, slots=True)
class Owner:
    """A writer as the owner of a domain, with the epoch of its lease."""

    writer: str
    domain: str
    epoch: int
    lease_seconds: float


class Known(NamedTuple):  # cheaper to make than a dataclass: a batch makes one for each id that is in the ledger
    """The ledger's row of an id: its outcome and the hash of its content."""

    outcome: str
    hash: int


class Decision(NamedTuple):
    """A row for the ledger, or what an existing row of a parked command becomes.

    ``result``: what the handler returned, as JSON; ``reason``: why it was declined.
    """

    ledger_id: str
    outcome: str
    hash: int
    result: bytes | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """What people decided about a command before a writer could apply it: it is parked, or dropped for good."""

    cause: Cause
    dropped: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """An open, fenced transaction.

    ``batch``: the number of the batch. ``known``: the ledger rows of those ids that were decided before. ``deferred``:
    the hashes of those that are deferred. ``removals``: of those that people want out of the way. All by ledger id.
    """

    batch: int
    xid: int
    started_at: datetime
    known: Mapping[str, Known]
    deferred: Mapping[str, int]
    holds: Holds
    revision: int = 0  # of the domain: counts the changes that people made to its deferred commands
    removals: Mapping[str, Removal] = field(default_factory=dict)


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
    """What earlier owners of a domain left: emitted commands to be published, and the deferred commands."""

    leftovers: list[Outgoing]
    deferred_index: DeferredIndex


class Store(Protocol):
    """A database connection, as a turn sees it. Every method may raise :class:`DatabaseFault`."""

    def start(self, owner: Owner) -> Started:
        """Commit an empty fenced transaction; return what was left."""

    def deferred_index(self, owner: Owner) -> DeferredIndex:
        """Return the index of what is deferred in a domain, read in one snapshot."""

    def check_owned(self, owner: Owner) -> None:
        """Pass the fence in a transaction of its own, before something that is done outside of one."""

    def open(self, owner: Owner, service: str, ids: Sequence[str], since: date) -> Opened:
        """Begin, pass the fence, look up which ledger ids were decided since a day, read the holds."""

    def enter(self, owner: Owner, opened: Opened, service: str, commands: int) -> None:
        """Write the batch's row, with the number of its commands; become the service's role."""

    def call(self, service: str, task: str, commands: Sequence[Command]) -> Mapping[str, Any] | None:
        """Run a handler. Also raises :class:`Reject`, :class:`Decline` and :class:`HandlerFault`."""

    def changed_rows(self) -> Mapping[str, int]:
        """Return how many rows of each table (``schema.table``) this connection has changed.

        Counted from any moment: only differences have a meaning.
        """

    def leave_role(
        self, owner: Owner, opened: Opened, service: str, decisions: Sequence[Decision], sent: int | None
    ) -> bool:
        """Leave the service's role, write decisions into the ledger, end the batch, delete the outbox up to ``sent``.

        Returns False when this is not the transaction that was entered.
        """

    def check_constraints(self) -> None:
        """Check deferred constraints now. Whatever fails then is the handlers', as it is at COMMIT."""

    def park(self, refused: Sequence[Refused], places: Mapping[str, int]) -> None:
        """Write the rows of parked commands.

        Each has a place in the order of the deferred ones, which it takes when people have it decided again.
        ``places``: of those that were deferred until now, by ledger id; the others get the next ones, in this order.
        """

    def defer(self, owner: Owner, deferrals: Sequence[Deferral]) -> None:
        """Write the rows of deferred commands, in this order."""

    def settle_deferred(self, outcomes: Mapping[int, Outcome]) -> None:
        """Write the outcomes of deferred rows, by their numbers. Raises a conflict when one is no longer deferred."""

    def settle_parked(
        self, opened: Opened, service: str, decided: Mapping[int, Decision], again: Mapping[int, Refused]
    ) -> None:
        """Write what became of parked commands that were decided again, by their numbers.

        ``decided``: applied or declined now, which changes their rows in the ledger. ``again``: these stay parked, with
        their new cause.
        """

    def end_removals(self, service: str, ids: Sequence[str]) -> None:
        """Delete the removals of these ledger ids: they are carried out."""

    def fill_outbox(self, owner: Owner, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """Store emitted commands; return them with their numbers."""

    def commit(self) -> tuple[str, datetime]:
        """Commit; return a WAL position not before the commit's, and the time."""

    def roll_back(self) -> None:
        """Undo the open transaction, if there is one."""

    def note_stopped(self, owner: Owner, cause: str | None) -> None:
        """Write down why the domain is not served at present, for people; None: it is served again."""

    def conflict(self, owner: Owner, error: DatabaseFault, attempt: int) -> None:
        """Count and record a lock conflict that ended the transaction. ``attempt``: the number of the try, from 1."""

    def delete_sent(self, owner: Owner, sent: int) -> None:
        """Delete from the outbox up to ``sent``, in a transaction of its own."""

    def look_up(self, service: str, ids: Sequence[str]) -> Mapping[str, Receipt]:
        """Return the receipts of commands, by command id, without those that are unknown."""

    def deferred(self, owner: Owner, after: int, limit: int) -> list[DeferredRow]:
        """Return at most ``limit`` deferred commands of a domain, oldest first, after a row's number."""

    def postpone(self, rows: Mapping[int, Postponed]) -> None:
        """Write down why deferred rows wait now; with a limit, it counts from now unless they have an earlier one."""

    def hold_task(self, task: str, reason: str) -> float:
        """Hold a command type for a while, longer with each hold in a row; return for how many seconds."""

    def release_task(self, task: str) -> None:
        """Release the hold that writers placed on a command type."""

    def suspect(self, owner: Owner, service: str, ledger_id: str) -> int:
        """Record, in a transaction of its own, a suspect: what may end the process.

        Returns how many writers in a row have recorded it, this one included.
        """

    def clear_suspect(self, service: str, ledger_id: str) -> None:
        """Delete a suspect: it did not end the process."""
