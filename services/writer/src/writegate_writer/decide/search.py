"""The search for the commands at fault in a work: by bisection, and what fails alone by trial. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from writegate.message.receipt import Cause
from writegate_writer.decide.bisection import Isolation, Span, Stride
from writegate_writer.decide.classify import Work
from writegate_writer.decide.deferral import (
    Key,
    Patience,
    Postponed,
    key_of,
    parks_key,
)
from writegate_writer.decide.rejections import MOST_REJECTIONS
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.suspicion import suspect_in
from writegate_writer.decide.trial import (
    Answer,
    Failure,
    Trial,
    Undecided,
    Verdict,
    cause_of,
    fails_like,
    kind_of,
    waits_at_fault,
    waits_undecided,
)
from writegate_writer.errors import QUERY_CANCELED, DatabaseFault, Decline, Fault, HandlerFault, Reject
from writegate_writer.receive.delivery import Arrived, Refused


@dataclass(frozen=True, slots=True)
class Ruling:
    """Something is to be held: why, and for which command if it is known."""

    verdict: Verdict
    accused: Arrived | None
    error: Failure


@dataclass(slots=True)
class _SpanFailure:
    """Several commands failed together. ``worked_since``: the types of which commands were applied afterwards."""

    span: Span
    kind: str
    worked_since: set[str] = field(default_factory=set)


class Search:
    """Finds the commands at fault in a work, while no command type has to be held."""

    def __init__(self, work: Work, patience: Patience, undecided: Undecided, stride: Stride) -> None:
        self._work = work
        self._patience = patience
        self._undecided = undecided
        self._failures: list[_SpanFailure] = []
        self._rejected: dict[str, Cause] = dict(work.rejected)
        self._declined: dict[str, str] = dict(work.declined)
        self._named: set[str] = set()  # ledger ids that the handler rejected or declined, in what is tried now
        self._postponed: dict[str, Postponed] = dict(work.postponed)
        self._isolation = Isolation(len(work.arrived), stride, _tried_before_its_followers(work))
        self._refused: Sequence[Refused] = work.refused
        self._sent = work.outbox_sent
        self._failed_alone: list[tuple[Arrived, Failure]] = []  # and nothing more is known of them
        self._unrecorded: list[Arrived] = []  # found at fault, to be recorded with the next commit
        # What is tried next may end the process, and of a replay the broker counts no deliveries: what is known by then
        # has to be recorded, or the next process finds out about it anew, for ever.
        self._most_unrecorded = 1 if work.after_deaths or work.replayed else MOST_REJECTIONS
        self._span: Span | None = None  # that is tried now; None when commands found at fault are only recorded
        self._is_last = False  # nothing is left when what is tried now succeeds
        self._trial: Trial | None = None  # of a command that failed alone
        self._attempt = work
        self.searching = False

    @property
    def on_trial(self) -> bool:
        """Whether what is tried now is rolled back in any case."""
        return self._trial is not None and self._trial.rolls_back

    def next(self) -> Work | None:
        if self._trial is not None and self._trial.rolls_back:
            self._attempt = Work([self._trial.next], replayed=self._work.replayed, is_trial=True)
            return self._attempt
        following = self._isolation.next
        self._span = following if self._trial is None and len(self._unrecorded) < self._most_unrecorded else None
        # What was refused is parked behind all that is deferred of this work.
        self._is_last = following is None or (self._span is not None and self._span.stop == len(self._work.arrived))
        if not self._tried() and not (self._refused or self._unrecorded or self._sent is not None):
            return None
        self._attempt = replace(
            self._work,
            arrived=[*self._unrecorded, *self._tried()],
            refused=self._refused if self._is_last else (),
            rejected=self._rejected,
            declined=self._declined,
            postponed=self._postponed,
            outbox_sent=self._sent,
        )
        return self._attempt

    def _tried(self) -> Sequence[Arrived]:
        if self._trial is not None:
            return [self._trial.next]
        return self._work.arrived[self._span.start : self._span.stop] if self._span is not None else ()

    def committed(self, result: BatchResult) -> Ruling | None:
        """Return what is to be held, if a trial has ended with that."""
        trial = self._trial
        if trial is not None and trial.rolls_back:
            if result.plan.fresh:
                trial.succeeded()
            else:
                trial.skip()
            return self._ruling()
        self._sent, self._unrecorded, self._trial = None, [], None
        if self._is_last:
            self._refused = ()
        if self._span is not None:
            self._named.clear()
            self._isolation.succeeded()
        if self._failures:
            applied = {command.item.task for command in result.plan.fresh}
            for failure in self._failures:
                failure.worked_since |= applied
        return None

    def failed(self, error: Answer | Failure) -> Ruling | None:
        """Return what is to be held for it; nothing when something else is to be tried."""
        if not self._tried():
            raise error  # what failed is the record alone
        self.searching = True
        if self._trial is not None and self._trial.rolls_back:
            return self._witness_failed(self._trial, error)
        if isinstance(error, Reject | Decline):
            self._answered(error)
            return None
        if error.fault is not Fault.COMMAND and not error.from_handlers:
            return self._first_guess(error)
        if self._trial is not None:
            self._trial.failed(error)
        elif (accused := self._find(error)) is not None:
            self._accuse(accused, error)
        return self._ruling()

    def _accuse(self, accused: Arrived, error: Failure) -> None:
        """A command has failed alone."""
        if error.fault is Fault.COMMAND:
            self._blame(accused, error)
            return
        others = [command for command in self._work.arrived if self._is_witness(command)]
        before, replayed = error.fault.is_outside and self._was_at_fault(accused), bool(self._work.replayed)
        self._trial = Trial(
            accused,
            error,
            others,
            type_works=self._undecided.type_works(accused),
            worked_since=self._worked_without(accused, error),
            type_worked=self._undecided.type_worked(accused),
            another_fails=self._another_fails(accused, error),
            is_replay=replayed,
            was_at_fault=before,
            after_deaths=self._work.after_deaths,
        )

    def _another_fails(self, accused: Arrived, error: Failure) -> bool:
        """Whether another of its type failed alone like this, in this work."""
        return any(
            other.item.task == accused.item.task and fails_like(before, error) for other, before in self._failed_alone
        )

    def _witness_failed(self, trial: Trial, error: Answer | Failure) -> Ruling | None:
        if isinstance(error, Reject | Decline) and trial.next.item.id not in (reasons := self._reasons(error)):
            error = _nonsense(trial.next, reasons)
        if not isinstance(error, Reject | Decline) and error.fault is not Fault.COMMAND and not error.from_handlers:
            return self._first_guess(error)
        trial.failed(error)
        return self._ruling()

    def _find(self, error: Failure) -> Arrived | None:
        """Return the command that has failed alone; None: smaller parts are to be tried."""
        # The handler named some because it expected the command at fault to be applied: it is asked again.
        for id_ in self._named:
            self._rejected.pop(id_, None)
            self._declined.pop(id_, None)
        self._named.clear()
        if self._span is not None and len(self._span) > 1:
            self._failures.append(_SpanFailure(self._span, kind_of(error)))
        position = suspect_in(self._tried(), str(error))
        start = self._span.start if self._span is not None else 0
        found = self._isolation.failed(None if position is None else start + position)
        return None if found is None else self._work.arrived[found.start]

    def _worked_without(self, accused: Arrived, error: Failure) -> bool:
        """Whether others of its type were applied since it was among those that failed like this.

        What was applied before says nothing: its table may have gone since.
        """
        return any(
            failure.kind == kind_of(error)
            and accused.item.task in failure.worked_since
            and any(accused is command for command in self._work.arrived[failure.span.start : failure.span.stop])
            for failure in self._failures
        )

    def _is_witness(self, command: Arrived) -> bool:
        is_found = command.ledger_id in self._rejected or command.ledger_id in self._postponed
        return not is_found and not self._was_at_fault(command)

    def _was_at_fault(self, command: Arrived) -> bool:
        row = self._work.replayed.get(command.ledger_id)
        return row is not None and row.at_fault

    def _ruling(self) -> Ruling | None:
        """Return what follows from a trial, if one has ended."""
        trial = self._trial
        if trial is None or trial.verdict is None:
            return None
        self._trial = None
        if trial.verdict is Verdict.COMMAND:
            self._blame(trial.accused, trial.error)
            return None
        for failed in trial.failed_alone:
            self._undecided.add(failed)
        if trial.verdict is Verdict.UNDECIDED:
            # It waits until another of its type shows more; its neighbours go on.
            self._failed_alone.append((trial.accused, trial.error))
            waits = waits_undecided(trial.error, after_deaths=self._work.after_deaths)
            self._postpone(trial.accused, trial.error, waits)
        else:
            return Ruling(trial.verdict, trial.accused, trial.error)
        return None

    def _first_guess(self, error: Failure) -> Ruling:
        """Return what is to be held for what is not tried in smaller parts. Raises what is not a type's fault."""
        is_deployment = error.fault is Fault.DEPLOYMENT or (
            isinstance(error, DatabaseFault)
            and error.sqlstate == QUERY_CANCELED
            and error.task
            and (len(self._attempt.arrived) == 1 or self._attempt.replayed)
        )  # else nothing smaller can be tried: only its type has to wait, not the whole domain
        if not is_deployment:
            raise error
        tried = self._attempt.arrived
        accused = tried[0] if len(tried) == 1 and tried[0].item.task == error.task else None
        return Ruling(Verdict.TYPE, accused, error)

    def _blame(self, command: Arrived, error: Failure) -> None:
        postponed = waits_at_fault(error)
        if postponed is None:
            self._reject(command, error)
        else:
            self._postpone(command, error, postponed)

    def _postpone(self, command: Arrived, error: Failure, postponed: Postponed) -> None:
        if self._patience.may_wait(command, postponed):
            self._postponed[command.ledger_id] = postponed
            self._unrecorded.append(command)
        else:
            self._reject(command, error)

    def _reject(self, command: Arrived, error: Failure) -> None:
        self._undecided.remove(command)
        self._rejected[command.ledger_id] = cause_of(error)
        self._unrecorded.append(command)

    def _answered(self, error: Answer) -> None:
        """Reject or decline the commands that a handler names; what is tried now is tried again without them."""
        reasons = self._reasons(error)
        if isinstance(error, Reject):
            self._reject_named(self._named_in(reasons), reasons)
            return
        for command in self._named_in(reasons):
            self._declined[command.ledger_id] = reasons[command.item.id]
            self._named.add(command.ledger_id)

    def _reasons(self, error: Answer) -> Mapping[str, str]:
        return error.reasons if isinstance(error, Reject) else error.of([command.item.id for command in self._tried()])

    def _named_in(self, reasons: Mapping[str, str]) -> list[Arrived]:
        """Return the commands that a handler names.

        It is final when the others succeed: then it is true after what was really applied before them.
        """
        tried = self._tried()
        named = [
            command
            for command in tried
            if command.item.id in reasons
            and command.ledger_id not in self._rejected
            and command.ledger_id not in self._declined
        ]
        if not named:
            raise _nonsense(tried[0], reasons)
        return named

    def _reject_named(self, named: Sequence[Arrived], reasons: Mapping[str, str]) -> None:
        parking: set[Key | None] = set()
        for command in named:
            if parks_key(command):
                if key_of(command) in parking:
                    continue  # it waits behind the first, and may be right once people have decided about that one
                parking.add(key_of(command))
            self._rejected[command.ledger_id] = Cause("rejected", reasons[command.item.id])
            self._named.add(command.ledger_id)


def _tried_before_its_followers(work: Work) -> Sequence[int]:
    """Return the positions of deferred commands that failed before, and of whose keys later ones follow.

    If it fails again the later ones are not tried. One of them may end the process: in a transaction with the first it
    would do so at each replay, and alone it would never be tried.
    """
    followed: set[Key | None] = set()
    alone = []
    for position in reversed(range(len(work.arrived)) if work.replayed else ()):
        command = work.arrived[position]
        row, key = work.replayed.get(command.ledger_id), key_of(command)
        if row is not None and row.failed and key is not None and key in followed:
            alone.append(position)
        followed.add(key)
    return alone[::-1]


def _nonsense(tried: Arrived, reasons: Mapping[str, str]) -> HandlerFault:
    return HandlerFault(tried.item.task, f"the handler names ids that it was not given: {', '.join(reasons)}")
