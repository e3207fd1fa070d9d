"""Whose fault it is that a command failed alone: its own, its type's or the database's. Pure.

An SQLSTATE says only what is likely: a trigger may raise any, and a missing grant may concern one row only. So others
are tried. When another command of its type succeeds, the command is at fault if it fails once more; when every other
fails too, its type is; when commands of every other type fail too, for what usually passes by itself, the database is.
A few others that fail in another way say nothing: they may be at fault themselves.

Others are tried in transactions that are rolled back: the order per key stays, whatever is found out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from writegate.message.receipt import Cause
from writegate_writer.decide.deferral import ACCUSED_WAIT_SECONDS, PARENT_WAIT_SECONDS, Postponed
from writegate_writer.errors import FOREIGN_KEY_VIOLATION, DatabaseFault, Decline, Fault, HandlerFault, Reject
from writegate_writer.receive.delivery import Arrived

# A few may be at fault themselves. With so many the failure of all of them says something.
_MOST_WITNESSES = 10
_MOST_OTHER_TYPES = 3
# So many that all fail are not only some bad commands, however each of them fails.
_ENOUGH_FAILED_OTHERWISE = 3
_MOST_UNDECIDED = 1000  # of a type, so that memory is bounded
# How often others of its type were applied in between: a table may come and go. So often that it counts as long as no
# other fails now, and that it counts although others do: these may be at fault as well.
_TURNS, _MANY_TURNS = 2, 8

Failure = DatabaseFault | HandlerFault
Answer = Reject | Decline  # of a handler that works


class Verdict(Enum):
    """Whose fault it is."""

    COMMAND = "command"
    TYPE = "type"
    UNDECIDED = "undecided"  # there is no other command of its type to try
    DATABASE = "database"


class Trial:
    """Tries other commands, then perhaps the accused once more.

    Until there is a :attr:`verdict`, :attr:`next` is tried, and :meth:`succeeded`, :meth:`failed` or :meth:`skip` is
    called. When the accused itself succeeds, nothing more is to be found out.
    ``others``: what else is in the same work. ``type_works``: its type works, whatever others do now
    (:meth:`Undecided.type_works`). ``worked_since``: others were applied in the same work since it failed first; its
    table may have gone since, so that counts unless another fails like it now and none succeeds. ``type_worked``: some
    were applied some time ago (:meth:`Undecided.type_worked`); that counts unless another fails like it now:
    ``another_fails`` says that one did in the same work, of which nothing more was found out.
    ``was_at_fault``: it waits as one at fault (:func:`waits_at_fault`); it is so still, unless its type is now.
    ``after_deaths``: a writer ended during this replay, and a command behind the accused may be why. A held type would
    keep that command from being tried, and the pages are small, so that few witnesses say little: no type is held.
    """

    def __init__(  # noqa: PLR0913  what is known before
        self,
        accused: Arrived,
        error: Failure,
        others: Sequence[Arrived],
        *,
        type_works: bool,
        is_replay: bool,
        worked_since: bool = False,
        type_worked: bool = False,
        another_fails: bool = False,
        was_at_fault: bool = False,
        after_deaths: bool = False,
    ) -> None:
        self.accused = accused
        self.error = error
        self.verdict: Verdict | None = None
        self._another_fails = another_fails
        self._one_is_enough = type_worked and not worked_since  # one that fails like it
        self._of_type = deque(() if self._one_is_enough and another_fails else _witnesses(accused, others))
        # What was deferred has failed before: few of those say nothing of the database, and need not stop the domain.
        may_be_database = error.fault.is_outside and not is_replay
        self._of_other_types = deque(_one_of_each_type(accused, others) if may_be_database else ())
        self._type_works = type_works
        self._type_worked = type_worked or worked_since
        self._was_at_fault = was_at_fault
        self._after_deaths = after_deaths
        self.failed_alone = [accused]  # of its type, as it did
        self._failed_otherwise = 0  # of its type
        self._failed_of_other_types = False
        self._conclude()

    @property
    def next(self) -> Arrived:
        """The command to try now."""
        queue = self._queue
        return queue[0] if queue else self.accused

    @property
    def rolls_back(self) -> bool:
        """Whether the command to try now is only asked whether it would succeed."""
        return bool(self._queue)

    @property
    def _queue(self) -> deque[Arrived]:
        if self._type_works:
            return deque()
        return self._of_type or self._of_other_types

    def succeeded(self) -> None:
        """:attr:`next`, which is rolled back, succeeded."""
        if self._of_type:
            self._type_works = True
        else:
            self._of_other_types.clear()
            self._failed_of_other_types = False
            self._conclude()

    def failed(self, error: Failure | Answer) -> None:
        """:attr:`next` failed. What a rule of its own refuses says nothing about the accused."""
        if not self.rolls_back and not isinstance(error, Reject | Decline):
            self.error, self.verdict = error, Verdict.COMMAND
            return
        if not isinstance(error, Reject | Decline) and error.fault is not Fault.COMMAND:
            self._witness_failed(error)
        self.skip()

    def _witness_failed(self, error: Failure) -> None:
        if not self._of_type:
            self._failed_of_other_types = True
        elif fails_like(error, self.error):
            self.failed_alone.append(self.next)
            self._another_fails = True
            if self._one_is_enough:
                self._of_type = deque([self.next])
        else:
            self._failed_otherwise += 1

    def skip(self) -> None:
        """:attr:`next` could not be tried, such as because it was decided before."""
        self._queue.popleft()
        self._conclude()

    def _conclude(self) -> None:
        if self._type_works or self._queue:
            return
        others_fail = len(self.failed_alone) > 1 or self._failed_otherwise >= _ENOUGH_FAILED_OTHERWISE
        if self._failed_of_other_types:
            self.verdict = Verdict.DATABASE
        elif self._type_worked:
            self._type_works = not self._another_fails
            self.verdict = Verdict.UNDECIDED if self._another_fails else None
        elif others_fail:
            self.verdict = Verdict.UNDECIDED if self._after_deaths else Verdict.TYPE
        elif self._was_at_fault:
            self._type_works = True
        else:
            self.verdict = Verdict.UNDECIDED


@dataclass(slots=True)
class _Failed:
    """A command that failed alone. ``turns``: how often another of its type was applied before it failed again."""

    turns: int = 0
    works: bool = False  # another of its type was applied since it failed last


class Undecided:
    """Commands that failed alone when no other of their type succeeded, and whether others were applied since.

    Each domain has its own; only the slot thread that takes the domain's turn touches it. Another process that comes to
    own the domain finds out about them anew.
    """

    def __init__(self) -> None:
        self._failed: dict[str, dict[str, _Failed]] = {}  # by task and ledger id

    def __bool__(self) -> bool:
        return bool(self._failed)

    def add(self, command: Arrived) -> None:
        """A command has failed alone."""
        failed = self._failed.setdefault(command.item.task, {})
        if len(failed) >= _MOST_UNDECIDED:
            del failed[next(iter(failed))]
        found = failed.setdefault(command.ledger_id, _Failed())
        found.turns += found.works
        found.works = False

    def applied(self, tasks: Iterable[str]) -> None:
        """Commands of these types were applied."""
        for task in tasks:
            for failed in self._failed.get(task, {}).values():
                failed.works = True

    def type_worked(self, command: Arrived) -> bool:
        """Whether others of its type were applied in between, and that not only once."""
        return self._turns(command) >= _TURNS

    def type_works(self, command: Arrived) -> bool:
        """Whether that was so often that its type works, whatever others do now."""
        return self._turns(command) >= _MANY_TURNS

    def _turns(self, command: Arrived) -> int:
        failed = self._failed.get(command.item.task, {}).get(command.ledger_id)
        return 0 if failed is None else failed.turns + failed.works

    def remove(self, command: Arrived) -> None:
        """It was applied or parked."""
        failed = self._failed.get(command.item.task, {})
        failed.pop(command.ledger_id, None)
        if not failed:
            self._failed.pop(command.item.task, None)


def waits_at_fault(error: Failure) -> Postponed | None:
    """Return how a command at fault waits before it is parked; None: not at all. The limit counts from then."""
    if isinstance(error, DatabaseFault) and error.sqlstate == FOREIGN_KEY_VIOLATION:
        return Postponed(_wait_reason(error, "others of its type go on", PARENT_WAIT_SECONDS), PARENT_WAIT_SECONDS)
    if not error.fault.is_outside:
        return None
    reason = _wait_reason(error, "others of its type succeed", ACCUSED_WAIT_SECONDS)
    return Postponed(reason, ACCUSED_WAIT_SECONDS, fails_alone=True, at_fault=True)


def waits_undecided(error: Failure, *, after_deaths: bool = False) -> Postponed:
    """Return how a command waits of which nothing more is known than that it fails alone.

    What is likely to be a deployment's or the database's has no limit: nothing is parked for those. Nor is anything
    ``after_deaths``, since then it may be the type that fails.
    """
    limit_seconds = ACCUSED_WAIT_SECONDS if error.fault is Fault.UNKNOWN and not after_deaths else None
    reason = _wait_reason(error, "no other of its type shows whose fault it is", limit_seconds)
    return Postponed(reason, limit_seconds, fails_alone=True)


def cause_of(error: Failure) -> Cause:
    """Return why a command at fault is parked."""
    if isinstance(error, DatabaseFault):
        return Cause(f"sqlstate-{error.sqlstate}", str(error), error.sqlstate)
    return Cause("handler-failed", str(error))


def hold_reason(error: Failure, accused: Arrived | None) -> str:
    """Return why a command type is held, for people: the cause, the command, what to do."""
    command = f", such as command {accused.item.id}" if accused is not None else ""
    return f"{_text_of(error)}{command}; correct its handler, tables or grants: what waits is tried again by itself"


def kind_of(error: Failure) -> str:
    """Return by what failures are told apart."""
    return f"{error.sqlstate}" if isinstance(error, DatabaseFault) else "handler"


def fails_like(error: Failure, accused: Failure) -> bool:
    """Whether two failures may have one cause. What usually passes has many faces: time-outs, locks, deadlocks."""
    return kind_of(error) == kind_of(accused) or (error.fault.is_outside and accused.fault.is_outside)


def _wait_reason(error: Failure, seen: str, limit_seconds: float | None) -> str:
    """Return why a command that failed alone waits, for people: the cause, what is known, what happens, what to do.

    The same for every command that waits for it, so that they can be counted. It names the limit: by another reason a
    row that waited for something else until now is known to need one.
    """
    tried = "without a limit" if limit_seconds is None else f"for {limit_seconds:g} s, then parked"
    return (
        f"{_text_of(error)}; this command fails alone, {seen}; it is tried again {tried}: "
        "correct the cause, or park or drop it (writegate deferred)"
    )


def _text_of(error: Failure) -> str:
    sqlstate = error.sqlstate if isinstance(error, DatabaseFault) else None
    return f"{sqlstate}: {error}" if sqlstate else str(error)


def _witnesses(accused: Arrived, others: Sequence[Arrived]) -> Sequence[Arrived]:
    """Return some other commands of its type, from all over the work: neighbours may be at fault for the same cause."""
    same = [other for other in others if other is not accused and other.item.task == accused.item.task]
    step = max(1, len(same) // _MOST_WITNESSES)
    return same[::-step][:_MOST_WITNESSES]


def _one_of_each_type(accused: Arrived, others: Iterable[Arrived]) -> Sequence[Arrived]:
    by_task = {other.item.task: other for other in others if other.item.task != accused.item.task}
    return list(by_task.values())[:_MOST_OTHER_TYPES]
