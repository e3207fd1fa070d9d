"""What a transaction decided, its receipts, and what follows for the index of deferred commands. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic_core import from_json

from writegate.message.receipt import Cause, Receipt
from writegate_writer.decide.classify import Classified, Work
from writegate_writer.decide.deferral import DeferredIndex
from writegate_writer.decide.store import Outgoing
from writegate_writer.receive.delivery import Arrived, Delivery, NotYet, Refused

Part = Arrived | Refused


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit of a transaction, as it stands in receipts."""

    xid: int | None = None
    lsn: str | None = None
    at: datetime | None = None


@dataclass(slots=True)
class BatchResult:
    """What became of each part, and what is to be published now.

    ``first``: by command id, the first receipts of those repeated
    commands whose senders asked for one. Receipts are made on demand, since most senders ask for none.
    """

    plan: Classified = field(default_factory=Classified)
    committed: Committed = field(default_factory=Committed)
    first: Mapping[str, Receipt] = field(default_factory=dict)
    outgoing: list[Outgoing] = field(default_factory=list)

    @property
    def parts(self) -> list[Part]:
        """Everything that was decided, in the order of :meth:`receipts`."""
        deferred = [deferral.arrived for deferral in self.plan.deferred]
        repeated = (command for command, _ in self.plan.repeated)
        return [*self.answered, *self.plan.parked, *deferred, *repeated]

    @property
    def answered(self) -> list[Arrived]:
        """What handlers have applied or declined."""
        return [*self.plan.fresh, *(command for command, _ in self.plan.declined)]

    @property
    def settled(self) -> dict[Delivery, int]:
        """How many parts of each delivery were decided."""
        return Counter([part.delivery for part in self.parts])

    def asked(self) -> Iterator[tuple[str, Receipt]]:
        """Return the receipts that senders asked for, each with the address it goes to."""
        if any(delivery.verified.reply_to is not None for delivery in self.settled):
            for part, receipt in self.receipts():
                if part.delivery.verified.reply_to is not None:
                    yield part.delivery.verified.reply_to, receipt

    def receipts(self) -> Iterator[tuple[Part, Receipt]]:
        """Return each part with its receipt."""
        xid, lsn, at = self.committed.xid, self.committed.lsn, self.committed.at
        for command in self.plan.fresh:
            result = self.plan.decisions[command.ledger_id].result
            yield (
                command,
                Receipt(command.item.id, "applied", xid, lsn, at, None if result is None else from_json(result)),
            )
        for command, reason in self.plan.declined:
            yield command, Receipt(command.item.id, "declined", xid, lsn, at, cause=Cause("declined", reason))
        for refused in self.plan.parked:
            yield refused, Receipt(refused.id, "parked", xid, lsn, at, cause=refused.cause)
        for deferral in self.plan.deferred:
            yield (
                deferral.arrived,
                Receipt(deferral.arrived.item.id, "deferred", cause=Cause("deferred", deferral.reason)),
            )
        for command, outcome in self.plan.repeated:
            first = self.first.get(command.item.id) or Receipt(command.item.id, outcome)
            yield command, replace(first, outcome=outcome)

    def broken_contracts(self) -> list[str]:
        """Return why commands were deferred whose contract here has a mistake, each reason once."""
        unread = {command for deferral in self.plan.deferred if isinstance(command := deferral.arrived.command, NotYet)}
        return sorted(not_yet.reason for not_yet in unread if not_yet.broken)


def update_index(index: DeferredIndex, work: Work, result: BatchResult) -> None:
    """Bring the index of what is deferred up to date with what was committed of ``work``."""
    for deferral in result.plan.deferred:
        index.add(deferral.arrived)
    for part in result.parts if work.replayed else ():
        if (row := work.replayed.get(part.ledger_id or "")) is not None:
            index.remove(part, row)
    for refused in result.plan.parked:
        index.park(refused)
    index.replay_pass.block(result.plan.still_deferred)
