"""What becomes of each part of a batch: applied, parked, deferred, or a duplicate. Pure.

It is decided inside the open transaction, before any handler is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from writegate.message.receipt import Cause, Outcome
from writegate_writer.decide.deferral import PARENT_WAIT_SECONDS, Deferral, DeferredRow, Key, key_of, parks_key
from writegate_writer.decide.store import APPLIED, PARKED, Known, Opened
from writegate_writer.receive.delivery import Arrived, NotYet, Refused


def _never_blocked(_: Arrived) -> bool:
    return False


@dataclass(slots=True)
class Work:
    """What one transaction is to decide.

    ``rejected``: causes of commands that were found at fault before, by ledger id. ``postponed``: reasons of commands
    that are deferred now and tried again later, by ledger id. ``blocks``: whether a command must wait behind others of
    its key. ``replayed``: the rows of deferred commands that are tried again now, by ledger id; those that cannot be
    applied yet stay deferred. ``revision``: of the index of deferred commands that ``blocks`` asks. ``outbox_sent``:
    the number up to which rows of the outbox are deleted in this transaction.
    """

    arrived: Sequence[Arrived] = ()
    refused: Sequence[Refused] = ()
    rejected: Mapping[str, Cause] = field(default_factory=dict)
    postponed: Mapping[str, str] = field(default_factory=dict)
    blocks: Callable[[Arrived], bool] = _never_blocked
    replayed: Mapping[str, DeferredRow] = field(default_factory=dict)
    revision: int = 0
    outbox_sent: int | None = None


@dataclass(slots=True)
class Classified:
    """What becomes of each part."""

    fresh: list[Arrived] = field(default_factory=list)  # to be applied
    parked: list[Refused] = field(default_factory=list)
    deferred: list[Deferral] = field(default_factory=list)
    repeated: list[tuple[Arrived, Outcome]] = field(default_factory=list)  # with the outcome they already have
    still_deferred: list[Arrived] = field(default_factory=list)  # replayed, but not to be applied yet
    rows: list[tuple[str, str, int]] = field(default_factory=list)  # for the ledger: id, outcome, hash
    replayed_applied: list[DeferredRow] = field(default_factory=list)
    replayed_parked: list[DeferredRow] = field(default_factory=list)

    @property
    def changes_anything(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.rows or self.parked or self.deferred or self.replayed_applied or self.replayed_parked)


def classify(work: Work, opened: Opened, tables: Mapping[str, Sequence[str]]) -> Classified:
    """Classify the parts of ``work`` in arrival order, given what the opened transaction found.

    ``tables``: those that the handler of each task changes.
    """
    classifier = _Classifier(work, opened, tables)
    for command in work.arrived:
        classifier.arrived(command)
    for refused in work.refused:
        classifier.refused(refused)
    return classifier.plan


class _Classifier:
    """The decisions so far on one batch: a later command may depend on an earlier one of its key or id."""

    def __init__(self, work: Work, opened: Opened, tables: Mapping[str, Sequence[str]]) -> None:
        self.plan = Classified()
        self._work = work
        self._opened = opened
        self._tables = tables
        self._decided = dict(opened.known)
        self._deferred = {id_: hash_ for id_, hash_ in opened.deferred.items() if id_ not in work.replayed}
        self._held = self._opened.holds.any_on_commands
        self._blocked: set[Key] = set()  # by commands of this batch that were deferred or parked

    def arrived(self, command: Arrived) -> None:
        """Classify a command."""
        before = self._decided.get(command.ledger_id)
        row = self._work.replayed.get(command.ledger_id)
        if before == Known(PARKED, command.hash) and row is not None and row.parked is not None:
            before = None  # people want this parked command to be decided again
        if before is not None and row is not None:
            # It was decided while it was deferred, such as by people: it is no longer deferred.
            applied = before == Known(APPLIED, command.hash)
            (self.plan.replayed_applied if applied else self.plan.replayed_parked).append(row)
        if before is not None:
            self._seen(command, before.hash, "duplicate" if before.outcome == APPLIED else "parked")
        elif command.ledger_id in self._deferred:
            self._seen(command, self._deferred[command.ledger_id], "deferred")
        else:
            self._new(command)

    def refused(self, refused: Refused) -> None:
        """Classify a part that cannot be applied, whatever the ledger has: it is parked."""
        self.plan.parked.append(refused)
        if (row := self._work.replayed.get(refused.ledger_id or "")) is not None:
            self.plan.replayed_parked.append(row)
        if (
            refused.ledger_id is not None
            and refused.ledger_id not in self._decided
            and refused.ledger_id not in self._deferred
        ):
            self._record(refused.ledger_id, PARKED, refused.hash)

    def _seen(self, command: Arrived, before: int, outcome: Outcome) -> None:
        if before == command.hash:
            self.plan.repeated.append((command, outcome))
        else:
            cause = Cause("id-reused", "this id was used before for a command with other content")
            # Its key does not wait for it: the command that had the id first was decided as usual.
            self.plan.parked.append(replace(refusal(command, cause), parks_key=False))

    def _new(self, command: Arrived) -> None:
        if self._work.blocks(command) or (self._blocked and key_of(command) in self._blocked):
            # A cause that was found before does not count: it may be right once those before it are applied.
            self._defer(command, "behind an earlier command of its key")
            return
        cause = self._work.rejected.get(command.ledger_id)
        if cause is None and (reason := self._reason_to_defer(command)) is not None:
            self._defer(command, reason)
            return
        row = self._work.replayed.get(command.ledger_id)
        if cause is None:
            self.plan.fresh.append(command)
            if row is not None:
                self.plan.replayed_applied.append(row)
        else:
            self.plan.parked.append(refusal(command, cause))
            if row is not None:
                self.plan.replayed_parked.append(row)
            if (key := key_of(command)) is not None and parks_key(command):
                self._blocked.add(key)
        self._record(command.ledger_id, APPLIED if cause is None else PARKED, command.hash)

    def _reason_to_defer(self, command: Arrived) -> str | None:
        if isinstance(command.command, NotYet):
            return command.command.reason
        if (reason := self._work.postponed.get(command.ledger_id)) is not None:
            return reason
        if not self._held:
            return None
        task = command.item.task
        return self._opened.holds.on_command(task, command.item.key, self._tables.get(task, ()))

    def _defer(self, command: Arrived, reason: str) -> None:
        if (key := key_of(command)) is not None:
            self._blocked.add(key)
        if command.ledger_id in self._work.replayed:
            self.plan.still_deferred.append(command)
            return
        limit_seconds = PARENT_WAIT_SECONDS if command.ledger_id in self._work.postponed else None
        self._deferred[command.ledger_id] = command.hash
        self.plan.deferred.append(Deferral(command, reason, limit_seconds))

    def _record(self, ledger_id: str, outcome: str, hash_: int) -> None:
        if (
            ledger_id not in self._decided
        ):  # else it was parked before, and its ledger row is changed if it is applied now
            self.plan.rows.append((ledger_id, outcome, hash_))
        self._decided[ledger_id] = Known(outcome, hash_)


def refusal(command: Arrived, cause: Cause) -> Refused:
    """Return a command as it is parked, with its cause."""
    return Refused(
        command.delivery,
        command.item.id,
        command.hash,
        cause,
        command.item,
        command.item.fields,
        command.ledger_id,
        parks_key(command),
        command,
    )
