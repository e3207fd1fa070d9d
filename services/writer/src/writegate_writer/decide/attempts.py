"""Which transaction is tried next: one for all of a batch, several when commands in it are at fault. Pure.

The caller asks :meth:`Attempts.next`, tries that in a transaction, and reports whether it was committed. Nothing here
calls back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from writegate_writer.decide.bisection import Stride
from writegate_writer.decide.classify import Work
from writegate_writer.decide.deferral import Patience
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.search import Ruling, Search
from writegate_writer.decide.trial import Answer, Failure, Undecided, Verdict, hold_reason
from writegate_writer.errors import DatabaseFault, HandlerFault
from writegate_writer.receive.delivery import Arrived, Refused


@dataclass(frozen=True, slots=True)
class TypeHold:
    """A command type that is to be held, and why."""

    task: str
    reason: str


class Attempts:
    """What is tried of some work, transaction by transaction. It belongs to the slot thread that asks it.

    For each work that :meth:`next` returns, call :meth:`committed` or :meth:`failed`. ``patience``: whether a command
    that fails may still wait. ``undecided`` and ``stride`` (how many commands are tried at once) are kept from one
    batch to the next.
    """

    def __init__(
        self, work: Work, patience: Patience, undecided: Undecided | None = None, stride: Stride | None = None
    ) -> None:
        self._work = work
        self._patience = patience
        self._undecided = undecided if undecided is not None else Undecided()
        self._stride = stride or Stride()
        self._results: list[BatchResult] = []
        self._applied: set[str] = set()  # command types of which a command was applied since this work was begun
        self._held: set[str] = set()  # command types that are held since this work was begun
        self._search = self._search_in(work)

    def _search_in(self, work: Work) -> Search:
        return Search(work, self._patience, self._undecided, self._stride)

    @property
    def searching(self) -> bool:
        """Whether something has failed: what is tried now is to show why."""
        return self._search.searching

    def next(self) -> Work | None:
        """Return what to try in one transaction now; None when nothing is left."""
        return self._search.next()

    def committed(self, result: BatchResult) -> TypeHold | None:
        """Note that what :meth:`next` returned was committed, or would have been if it is only a trial.

        Returns the command type to hold first, if one is.
        """
        if not self._search.on_trial:
            self._results.append(result)
            applied = {command.item.task for command in result.answered}  # a handler that declines works
            self._applied |= applied
            self._undecided.applied(applied)
            for command in result.answered if self._undecided else ():
                self._undecided.remove(command)
        return self._hold(self._search.committed(result))

    def failed(self, error: Answer | Failure) -> TypeHold | None:
        """Note that what :meth:`next` returned was rolled back; return the command type to hold first, if one is.

        Raises an error that is neither a command's fault nor a command type's, and one of a type that was to be held
        before; what was committed before stays committed.
        """
        try:
            ruling = self._search.failed(error)
        except HandlerFault as broken:  # the handler's answer made no sense
            if broken is error:
                raise
            ruling = self._search.failed(broken)
        return self._hold(ruling)

    def _hold(self, ruling: Ruling | None) -> TypeHold | None:
        if ruling is None:
            return None
        error, accused = ruling.error, ruling.accused
        task = accused.item.task if accused is not None else error.task
        if ruling.verdict is Verdict.DATABASE or task is None or task in self._held:
            if accused is not None and isinstance(error, DatabaseFault):
                raise error.with_(task=task, command=accused.item.id) from error
            raise error
        self._held.add(task)
        # The hold is found by the next transaction, which defers the commands of this type.
        self._search = self._search_in(_remaining(self._work, self._results))
        return TypeHold(task, hold_reason(error, accused))

    def working_again(self, held_types: Collection[str]) -> list[str]:
        """Return which of the held types were applied: should one fail once more, that is a new failure."""
        return [task for task in held_types if task in self._applied and task not in self._held]


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
