"""What becomes of each part of a batch: applied, declined, parked, deferred, or a duplicate. Pure.

It is decided inside the open transaction, before any handler is called; of the commands that a handler is given, it may
still decline some of which nothing has to be undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from writegate.message.receipt import Cause, Outcome
from writegate_writer.decide.deferral import (
    MOST_NEWER_COMMANDS,
    Deferral,
    DeferredRow,
    Key,
    Postponed,
    VersionWait,
    key_of,
    parks_key,
)
from writegate_writer.decide.store import APPLIED, DECLINED, OUTCOMES, PARKED, Decision, Known, Opened, Removal
from writegate_writer.receive.delivery import Arrived, NotYet, Refused


def _never_blocked(_: Arrived) -> bool:
    return False


@dataclass(slots=True)
class Work:
    """What one transaction is to decide.

    ``rejected``: causes of commands that were found at fault before, by ledger id. ``declined``: reasons of commands
    that were declined before, by ledger id. ``postponed``: reasons of commands that are deferred now and tried again
    later, by ledger id. ``blocks``: whether a command must wait behind others of its key. ``replayed``: the rows of
    deferred commands that are tried again now, by ledger id; those that cannot be applied yet stay deferred.
    ``version_wait``: how commands of unknown versions may wait. ``revision``: of the index of deferred commands that
    ``blocks`` asks. ``outbox_sent``: the number up to which rows of the outbox are deleted in this transaction.
    ``is_trial``: it is rolled back in the end, since it is only asked whether it would succeed. ``after_deaths``: a
    process ended when it tried these, so what is found at fault is recorded before anything else is tried.
    """

    arrived: Sequence[Arrived] = ()
    refused: Sequence[Refused] = ()
    rejected: Mapping[str, Cause] = field(default_factory=dict)
    declined: Mapping[str, str] = field(default_factory=dict)
    postponed: Mapping[str, Postponed] = field(default_factory=dict)
    blocks: Callable[[Arrived], bool] = _never_blocked
    replayed: Mapping[str, DeferredRow] = field(default_factory=dict)
    version_wait: VersionWait = field(default_factory=VersionWait)
    revision: int = 0
    outbox_sent: int | None = None
    is_trial: bool = False
    after_deaths: bool = False


@dataclass(slots=True)
class Classified:
    """What becomes of each part."""

    fresh: list[Arrived] = field(default_factory=list)  # to be applied
    declined: list[tuple[Arrived, str]] = field(default_factory=list)  # with the reason
    parked: list[Refused] = field(default_factory=list)
    deferred: list[Deferral] = field(default_factory=list)
    repeated: list[tuple[Arrived, Outcome]] = field(default_factory=list)  # with the outcome they already have
    still_deferred: list[Arrived] = field(default_factory=list)  # replayed, but not to be applied yet
    decisions: dict[str, Decision] = field(default_factory=dict)  # for the ledger, by ledger id
    changed: set[str] = field(default_factory=set)  # of these, the ones whose rows are in the ledger already
    replayed: dict[str, tuple[DeferredRow, Outcome]] = field(default_factory=dict)  # decided now, by ledger id
    removed: list[str] = field(default_factory=list)  # ledger ids whose removals are carried out, or came too late

    @property
    def changes_anything(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.decisions or self.parked or self.deferred or self.replayed or self.removed)

    @property
    def rows(self) -> list[Decision]:
        """The rows to be added to the ledger."""
        return [decision for id_, decision in self.decisions.items() if id_ not in self.changed]

    def answered(self, results: Mapping[str, bytes], declined: Mapping[str, str]) -> None:
        """Note what handlers have answered, by command id: results as JSON, and reasons of those they declined."""
        if not results and not declined:
            return
        applied: list[Arrived] = []
        for command in self.fresh:
            id_, reason = command.ledger_id, declined.get(command.item.id)
            if reason is None:
                applied.append(command)
                if (result := results.get(command.item.id)) is not None:
                    self.decisions[id_] = self.decisions[id_]._replace(result=result)
                continue
            self.declined.append((command, reason))
            self.decisions[id_] = self.decisions[id_]._replace(outcome=DECLINED, reason=reason)
            if id_ in self.replayed:
                self.replayed[id_] = self.replayed[id_][0], "declined"
        self.fresh = applied
        if declined:
            self.repeated = [
                (command, "declined" if command.item.id in declined else outcome) for command, outcome in self.repeated
            ]


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
        self._newer: Counter[str] = Counter(work.version_wait.waiting)  # by publisher
        self._blocked: set[Key] = set()  # by commands of this batch that were deferred or parked

    def arrived(self, command: Arrived) -> None:
        """Classify a command."""
        before = self._decided.get(command.ledger_id)
        row = self._work.replayed.get(command.ledger_id)
        if before == Known(PARKED, command.hash) and row is not None and row.parked is not None:
            before = None  # people want this parked command to be decided again
        if before is not None and row is not None:
            # It was decided while it was deferred, such as by people: it is no longer deferred.
            outcome = OUTCOMES[before.outcome] if before.hash == command.hash else "parked"
            self.plan.replayed[command.ledger_id] = row, outcome
        if before is not None:
            self._removal_of(command.ledger_id)  # it came too late
            self._seen(command, before.hash, "duplicate" if before.outcome == APPLIED else OUTCOMES[before.outcome])
        elif command.ledger_id in self._deferred:
            self._seen(command, self._deferred[command.ledger_id], "deferred")
        else:
            self._new(command)

    def refused(self, refused: Refused) -> None:
        """Classify a part that cannot be applied, whatever the ledger has: it is parked."""
        removal = self._removal_of(refused.ledger_id) if refused.ledger_id not in self._deferred else None
        if removal is not None:
            refused = removed(refused, removal)
        self.plan.parked.append(refused)
        if refused.ledger_id is None:
            return
        if (row := self._work.replayed.get(refused.ledger_id)) is not None:
            self.plan.replayed[refused.ledger_id] = row, "parked"
        if refused.ledger_id not in self._decided and refused.ledger_id not in self._deferred:
            self._record(Decision(refused.ledger_id, PARKED, refused.hash))

    def _removal_of(self, ledger_id: str | None) -> Removal | None:
        removal = self._opened.removals.get(ledger_id) if ledger_id is not None else None
        if ledger_id is not None and removal is not None:
            self.plan.removed.append(ledger_id)
        return removal

    def _seen(self, command: Arrived, before: int, outcome: Outcome) -> None:
        if before == command.hash:
            self.plan.repeated.append((command, outcome))
        else:
            cause = Cause("id-reused", "this id was used before for a command with other content")
            # Its key does not wait for it: the command that had the id first was decided as usual.
            self.plan.parked.append(replace(refusal(command, cause), parks_key=False))

    def _new(self, command: Arrived) -> None:
        if (removal := self._removal_of(command.ledger_id)) is not None:
            self._park(command, removed(refusal(command, removal.cause), removal))
            return
        if command.newer and self._too_many_newer(command):
            text = f"{MOST_NEWER_COMMANDS} commands of its publisher wait already for a writer that knows their version"
            self.refused(refusal(command, Cause("unknown-version", text)))
            return
        if self._work.blocks(command) or (self._blocked and key_of(command) in self._blocked):
            # A cause that was found before does not count: it may be right once those before it are applied.
            self._defer(command, "behind an earlier command of its key")
            return
        cause = self._work.rejected.get(command.ledger_id)
        if cause is None and (reason := self._reason_to_defer(command)) is not None:
            self._defer(command, reason)
            return
        if cause is not None:
            self._park(command, refusal(command, cause))
        elif (declined := self._work.declined.get(command.ledger_id)) is not None:
            self.plan.declined.append((command, declined))
            self._decide(command, Decision(command.ledger_id, DECLINED, command.hash, reason=declined))
        else:
            self.plan.fresh.append(command)
            self._decide(command, Decision(command.ledger_id, APPLIED, command.hash))

    def _park(self, command: Arrived, refused: Refused) -> None:
        self.plan.parked.append(refused)
        if (key := key_of(command)) is not None and refused.parks_key:
            self._blocked.add(key)
        self._decide(command, Decision(command.ledger_id, PARKED, command.hash))

    def _decide(self, command: Arrived, decision: Decision) -> None:
        if (row := self._work.replayed.get(command.ledger_id)) is not None:
            self.plan.replayed[command.ledger_id] = row, OUTCOMES[decision.outcome]
        self._record(decision)

    def _too_many_newer(self, command: Arrived) -> bool:
        waits = command.ledger_id in self._work.replayed
        return not waits and self._newer[command.delivery.verified.origin] >= MOST_NEWER_COMMANDS

    def _reason_to_defer(self, command: Arrived) -> str | None:
        if isinstance(command.command, NotYet):
            return command.command.reason
        if (postponed := self._work.postponed.get(command.ledger_id)) is not None:
            return postponed.reason
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
        postponed = self._work.postponed.get(command.ledger_id)
        limit_seconds = postponed.limit_seconds if postponed is not None else None
        fails_alone = postponed is not None and postponed.fails_alone
        at_fault, failed = (postponed.at_fault, postponed.failed) if postponed is not None else (False, False)
        if command.newer:
            limit_seconds = self._work.version_wait.seconds
            self._newer[command.delivery.verified.origin] += 1
        self._deferred[command.ledger_id] = command.hash
        self.plan.deferred.append(Deferral(command, reason, limit_seconds, fails_alone, at_fault, failed))

    def _record(self, decision: Decision) -> None:
        if decision.ledger_id in self._decided:
            # It was parked before: people want it to be decided again.
            self.plan.changed.add(decision.ledger_id)
        self.plan.decisions[decision.ledger_id] = decision
        self._decided[decision.ledger_id] = Known(decision.outcome, decision.hash)


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


def removed(refused: Refused, removal: Removal) -> Refused:
    """Return a command as people have it taken out of the way: the commands behind it continue, whatever its contract.

    Earlier ones of its key may be deferred. They would wait for people as well, if its key waited for it.
    """
    return replace(refused, cause=removal.cause, parks_key=False, dropped=removal.dropped)
