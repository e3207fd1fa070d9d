"""Which transaction is tried next: one for all of a batch, several when commands in it are at fault. Pure.

The caller asks :meth:`Attempts.next`, tries that in a transaction, and reports whether it was committed. Nothing here
calls back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from writegate.message.receipt import Cause
from writegate_writer.decide.bisection import Isolation, Span, Stride
from writegate_writer.decide.classify import Work
from writegate_writer.decide.deferral import Key, MissingParents, key_of, parks_key
from writegate_writer.decide.rejections import MOST_REJECTIONS
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.suspicion import suspect_in
from writegate_writer.errors import (
    FOREIGN_KEY_VIOLATION,
    QUERY_CANCELED,
    DatabaseFault,
    Decline,
    Fault,
    HandlerFault,
    Reject,
)
from writegate_writer.receive.delivery import Arrived, Refused


@dataclass(frozen=True, slots=True)
class TypeHold:
    """A command type that is to be held, and why: its deployment is broken."""

    task: str
    reason: str


class Attempts:
    """What is tried of some work, transaction by transaction. It belongs to the slot thread that asks it.

    For each work that :meth:`next` returns, call :meth:`committed` or :meth:`failed`. ``parents``: whether a command
    whose parent row is missing may still wait for it. ``stride``: how many commands are tried at once, if that is
    remembered from one batch to the next.
    """

    def __init__(self, work: Work, parents: MissingParents, stride: Stride | None = None) -> None:
        self._work = work
        self._parents = parents
        self._stride = stride or Stride()
        self._results: list[BatchResult] = []
        self._held: set[str] = set()  # command types that are held since this work was begun
        self._search = _Search(work, parents, self._stride)

    def next(self) -> Work | None:
        """Return what to try in one transaction now; None when nothing is left."""
        return self._search.next()

    def committed(self, result: BatchResult) -> None:
        """Note that what :meth:`next` returned was committed."""
        self._results.append(result)
        self._search.committed()

    def failed(self, error: Reject | Decline | DatabaseFault | HandlerFault) -> TypeHold | None:
        """Note that what :meth:`next` returned was rolled back; return the command type to hold first, if one is.

        Raises an error that is neither a command's fault nor that of a command type's deployment, and one of a type
        that was to be held before; what was committed before stays committed.
        """
        if not isinstance(error, HandlerFault):
            try:
                if self._search.failed(error):
                    return None
            except HandlerFault as broken:  # the handler's rejection made no sense
                return self._hold(broken, Fault.DEPLOYMENT)
            if isinstance(error, Reject | Decline):
                raise error
        return self._hold(error, self._search.fault_of(error))

    def _hold(self, error: DatabaseFault | HandlerFault, fault: Fault) -> TypeHold:
        if fault is not Fault.DEPLOYMENT or error.task is None or error.task in self._held:
            raise error
        self._held.add(error.task)
        # The hold is found by the next transaction, which defers the commands of this type.
        self._search = _Search(_remaining(self._work, self._results), self._parents, self._stride)
        sqlstate = error.sqlstate if isinstance(error, DatabaseFault) else None
        return TypeHold(error.task, f"{sqlstate}: {error}" if sqlstate else str(error))

    def working_again(self, held_types: Collection[str]) -> list[str]:
        """Return which of the held types were applied: should one fail once more, that is a new failure."""
        applied = {command.item.task for result in self._results for command in result.plan.fresh} if held_types else ()
        return [task for task in held_types if task in applied and task not in self._held]


class _Search:
    """Finds the commands at fault in a work, while no command type has to be held."""

    def __init__(self, work: Work, parents: MissingParents, stride: Stride) -> None:
        self._work = work
        self._parents = parents
        self._rejected: dict[str, Cause] = dict(work.rejected)
        self._declined: dict[str, str] = dict(work.declined)
        self._named: set[str] = set()  # ledger ids that the handler rejected or declined, in the span tried now
        self._postponed: dict[str, str] = dict(work.postponed)
        self._isolation = Isolation(len(work.arrived), stride)
        self._refused: Sequence[Refused] = work.refused
        self._sent = work.outbox_sent
        self._unrecorded: list[Arrived] = []  # found at fault, to be recorded with the next commit
        self._span: Span | None = None  # that is tried now; None when commands found at fault are only recorded
        self._is_last = False  # nothing is left when what is tried now succeeds
        self._attempt = work

    def next(self) -> Work | None:
        following = self._isolation.next
        self._span = following if len(self._unrecorded) < MOST_REJECTIONS else None
        # What was refused is parked behind all that is deferred of this work.
        self._is_last = following is None or (self._span is not None and self._span.stop == len(self._work.arrived))
        if self._span is None and not (self._refused or self._unrecorded or self._sent is not None):
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
        return self._work.arrived[self._span.start : self._span.stop] if self._span is not None else ()

    def committed(self) -> None:
        self._sent, self._unrecorded = None, []
        if self._is_last:
            self._refused = ()
        if self._span is not None:
            self._named.clear()
            self._isolation.succeeded()

    def failed(self, error: Reject | Decline | DatabaseFault) -> bool:
        """Return whether commands are at fault, or declined, so that something else is to be tried."""
        if self._span is None:
            return False
        if isinstance(error, Reject):
            self._reject(self._named_in(error.reasons), error.reasons)
            return True
        if isinstance(error, Decline):
            reasons = error.of([command.item.id for command in self._tried()])
            for command in self._named_in(reasons):
                self._declined[command.ledger_id] = reasons[command.item.id]
                self._named.add(command.ledger_id)
            return True
        if error.fault is not Fault.COMMAND:
            return False
        # The handler named some because it expected the command at fault to be applied: it is asked again.
        for id_ in self._named:
            self._rejected.pop(id_, None)
            self._declined.pop(id_, None)
        self._named.clear()
        position = suspect_in(self._tried(), str(error))
        found = self._isolation.failed(None if position is None else self._span.start + position)
        if found is not None:
            self._blame(self._work.arrived[found.start], error)
        return True

    def fault_of(self, error: DatabaseFault | HandlerFault) -> Fault:
        """Return whose fault the error of this attempt is."""
        if (
            isinstance(error, DatabaseFault)
            and error.sqlstate == QUERY_CANCELED
            and error.task
            and (len(self._attempt.arrived) == 1 or self._attempt.replayed)
        ):
            # Nothing smaller can be tried: only its type has to wait, not the whole domain.
            return Fault.DEPLOYMENT
        return error.fault

    def _blame(self, command: Arrived, error: DatabaseFault) -> None:
        if error.sqlstate == FOREIGN_KEY_VIOLATION and self._parents.may_wait(command):
            self._postponed[command.ledger_id] = str(error)
        else:
            self._rejected[command.ledger_id] = Cause(f"sqlstate-{error.sqlstate}", str(error), error.sqlstate)
        self._unrecorded.append(command)

    def _named_in(self, reasons: Mapping[str, str]) -> list[Arrived]:
        """Return the commands that a handler names; the span is tried again without them.

        It is final when that succeeds: then it is true after what was really applied before them.
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
            task = tried[0].item.task if tried else "?"
            raise HandlerFault(task, f"the handler names ids that it was not given: {', '.join(reasons)}")
        return named

    def _reject(self, named: Sequence[Arrived], reasons: Mapping[str, str]) -> None:
        parking: set[Key | None] = set()
        for command in named:
            if parks_key(command):
                if key_of(command) in parking:
                    continue  # it waits behind the first, and may be right once people have decided about that one
                parking.add(key_of(command))
            self._rejected[command.ledger_id] = Cause("rejected", reasons[command.item.id])
            self._named.add(command.ledger_id)


def _remaining(work: Work, results: Sequence[BatchResult]) -> Work:
    """Return what of ``work`` is left when these transactions have been committed."""
    finished = {_identity(part) for result in results for part in result.parts}
    finished.update(id(command) for result in results for command in result.plan.still_deferred)
    return replace(
        work,
        arrived=[command for command in work.arrived if id(command) not in finished],
        refused=[refused for refused in work.refused if id(refused) not in finished],
        outbox_sent=None if finished else work.outbox_sent,
    )


def _identity(part: Arrived | Refused) -> int:
    """Return what a part of a batch is known by, whatever has become of it."""
    return id(part.arrived or part) if isinstance(part, Refused) else id(part)
