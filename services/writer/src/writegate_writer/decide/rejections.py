"""Counting rejections in a row: with very many of one type its deployment is probably broken. Pure."""

from __future__ import annotations

from writegate.message.receipt import Cause
from writegate_writer.decide.classify import Work
from writegate_writer.decide.result import BatchResult

# So many rejections of one type for one cause in a row mean a broken deployment rather than so many bad commands.
# At the latest then the commands found at fault are committed as parked, so that the type can be held for the rest of
# a batch.
MOST_REJECTIONS = 50


class RejectionStreak:
    """How many commands of one type were rejected in a row for one cause, in arrival order, over all batches.

    Each domain has its own; only the slot thread that takes the domain's turn touches it.
    """

    def __init__(self) -> None:
        self._task = ""
        self._cause = ""
        self._count = 0

    def count(self, work: Work, result: BatchResult) -> dict[str, Cause]:
        """Count what was committed of ``work``; return the types that have reached the limit, with the last cause.

        What was refused before any handler saw it is not counted, nor what people only wanted to have tried again or
        had taken out of the way.
        """
        known = {*work.rejected, *result.plan.removed}
        known.update(id_ for id_, row in work.replayed.items() if row.parked is not None)
        causes = {
            id(refused.arrived): refused.cause
            for refused in result.plan.parked
            if refused.arrived is not None and not refused.arrived.newer and refused.ledger_id not in known
        }
        if not causes and not self._task:
            return {}
        applied = {id(command) for command in result.plan.fresh if causes or command.item.task == self._task}
        reached: dict[str, Cause] = {}
        for command in work.arrived if causes or applied else ():
            task, cause = command.item.task, causes.get(id(command))
            if cause is not None:
                if self._add(task, cause.cause) == MOST_REJECTIONS:
                    self._end()
                    reached[task] = cause
            elif task == self._task and id(command) in applied:
                self._end()
        return reached

    def _add(self, task: str, cause: str) -> int:
        if (task, cause) != (self._task, self._cause):
            self._task, self._cause, self._count = task, cause, 0
        self._count += 1
        return self._count

    def _end(self) -> None:
        self._task, self._cause, self._count = "", "", 0
