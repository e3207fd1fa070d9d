"""Deciding about each part of a batch before the handlers see any: new, seen before, at fault, or to wait. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from writegate.message.receipt import Cause, Outcome
from writegate_writer.decide.deferral import PARENT_SECONDS, Deferral, DeferredRow, Key, key_of, parks_key
from writegate_writer.decide.store import APPLIED, PARKED, Known, Opened
from writegate_writer.receive.delivery import Arrived, NotYet, Refused


def _nothing(_: Arrived) -> bool:
    return False


@dataclass(slots=True)
class Work:
    """What one transaction is to decide.

    ``rejected``: causes of commands found to be at fault before, by ledger id. ``postponed``: reasons of commands that
    shall be tried again later. ``blocks``: whether a command must wait behind others of its key. ``replayed``: the rows
    of deferred commands that are tried again now, by ledger id; they wait on when they cannot be applied. ``revision``:
    of the account of what waits by which all this was planned.
    """

    arrived: Sequence[Arrived] = ()
    refused: Sequence[Refused] = ()
    rejected: Mapping[str, Cause] = field(default_factory=dict)
    postponed: Mapping[str, str] = field(default_factory=dict)
    blocks: Callable[[Arrived], bool] = _nothing
    replayed: Mapping[str, DeferredRow] = field(default_factory=dict)
    revision: int = 0
    outbox_sent: int | None = None


@dataclass(slots=True)
class Classified:
    """What will become of each part."""

    fresh: list[Arrived] = field(default_factory=list)  # to be applied
    parked: list[Refused] = field(default_factory=list)
    deferred: list[Deferral] = field(default_factory=list)  # to be deferred
    repeated: list[tuple[Arrived, Outcome]] = field(default_factory=list)
    waits_on: list[Arrived] = field(default_factory=list)  # replayed, and not yet
    rows: list[tuple[str, str, int]] = field(default_factory=list)  # for the ledger
    replayed_applied: list[DeferredRow] = field(default_factory=list)
    replayed_parked: list[DeferredRow] = field(default_factory=list)

    @property
    def changes_anything(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.rows or self.parked or self.deferred or self.replayed_applied or self.replayed_parked)


def classify(work: Work, opened: Opened, tables: Mapping[str, Sequence[str]]) -> Classified:
    """Sort the parts of ``work`` in arrival order, given what the opened transaction found.

    ``tables``: those that the handler of each task changes.
    """
    classifier = _Classifier(work, opened, tables)
    for one in work.arrived:
        classifier.arrived(one)
    for refused in work.refused:
        classifier.refused(refused)
    return classifier.plan


class _Classifier:
    def __init__(self, work: Work, opened: Opened, tables: Mapping[str, Sequence[str]]) -> None:
        self.plan = Classified()
        self._work = work
        self._opened = opened
        self._tables = tables
        self._decided = dict(opened.known)
        self._waiting = {id_: hash_ for id_, hash_ in opened.deferred.items() if id_ not in work.replayed}
        self._held = self._opened.holds.any_on_commands
        self._blocked: set[Key] = set()  # by what was set aside in this very batch

    def arrived(self, one: Arrived) -> None:
        """Decide about a command."""
        before = self._decided.get(one.ledger_id)
        row = self._work.replayed.get(one.ledger_id)
        if before == Known(PARKED, one.hash) and row is not None and row.parked is not None:
            before = None  # people want it to be decided again
        if before is not None and row is not None:
            # It waited, and was decided all the same, such as by hand: it waits no longer.
            applied = before == Known(APPLIED, one.hash)
            (self.plan.replayed_applied if applied else self.plan.replayed_parked).append(row)
        if before is not None:
            self._seen(one, before.hash, "duplicate" if before.outcome == APPLIED else "parked")
        elif one.ledger_id in self._waiting:
            self._seen(one, self._waiting[one.ledger_id], "deferred")
        else:
            self._new(one)

    def refused(self, one: Refused) -> None:
        """Decide about what can be no command."""
        self.plan.parked.append(one)
        if (row := self._work.replayed.get(one.ledger_id or "")) is not None:
            self.plan.replayed_parked.append(row)
        if one.ledger_id is not None and one.ledger_id not in self._decided and one.ledger_id not in self._waiting:
            self._note(one.ledger_id, PARKED, one.hash)

    def _seen(self, one: Arrived, before: int, outcome: Outcome) -> None:
        if before == one.hash:
            self.plan.repeated.append((one, outcome))
        else:
            cause = Cause("id-reused", "this id was used before for a command with other content")
            # It says nothing about the key: the command that has the id was decided as it should.
            self.plan.parked.append(replace(refusal(one, cause), parks_key=False))

    def _new(self, one: Arrived) -> None:
        reason = self._why_wait(one)
        cause = self._work.rejected.get(one.ledger_id)
        if reason is not None and cause is None:
            self._wait(one, reason)
            return
        row = self._work.replayed.get(one.ledger_id)
        if cause is None:
            self.plan.fresh.append(one)
            if row is not None:
                self.plan.replayed_applied.append(row)
        else:
            self.plan.parked.append(refusal(one, cause))
            if row is not None:
                self.plan.replayed_parked.append(row)
            if (key := key_of(one)) is not None and parks_key(one):
                self._blocked.add(key)
        self._note(one.ledger_id, APPLIED if cause is None else PARKED, one.hash)

    def _why_wait(self, one: Arrived) -> str | None:
        if self._work.blocks(one) or (self._blocked and key_of(one) in self._blocked):
            return "behind an earlier command of its key"
        if isinstance(one.command, NotYet):
            return one.command.reason
        if (reason := self._work.postponed.get(one.ledger_id)) is not None:
            return reason
        if not self._held:
            return None
        task = one.item.task
        return self._opened.holds.on_command(task, one.item.key, self._tables.get(task, ()))

    def _wait(self, one: Arrived, reason: str) -> None:
        if (key := key_of(one)) is not None:
            self._blocked.add(key)
        if one.ledger_id in self._work.replayed:
            self.plan.waits_on.append(one)
            return
        limit_seconds = PARENT_SECONDS if one.ledger_id in self._work.postponed else None
        self._waiting[one.ledger_id] = one.hash
        self.plan.deferred.append(Deferral(one, reason, limit_seconds))

    def _note(self, ledger_id: str, outcome: str, hash_: int) -> None:
        if ledger_id not in self._decided:  # else it was parked before: its row is changed if it is applied now
            self.plan.rows.append((ledger_id, outcome, hash_))
        self._decided[ledger_id] = Known(outcome, hash_)


def refusal(one: Arrived, cause: Cause) -> Refused:
    """Return a command as what is parked for a cause."""
    return Refused(
        one.delivery, one.item.id, one.hash, cause, one.item, one.item.fields, one.ledger_id, parks_key(one), one
    )
