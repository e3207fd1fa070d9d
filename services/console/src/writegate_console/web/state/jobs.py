"""Actions on more kept commands than one transaction moves: page by page, each in a thread of its own."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from writegate.contract.operations import OnKept, Selection
from writegate.errors import WritegateError
from writegate_console.gate.kept.actions import OPERATIONS, Action, KeptName
from writegate_console.gate.kept.paging import MoveProgress, move

MAX_JOBS = 100


class TooManyJobs(WritegateError):
    """As many jobs as may be kept are running: one of them has to end first."""


@dataclass(frozen=True, slots=True)
class Job:
    """An action on parked or deferred commands (``kept``), as it was at one moment.

    ``total``: how many commands there were when it was confirmed; ``problem``: why it ended early, None if it did not.
    """

    id: str
    kept: KeptName
    action: Action
    by: str
    reason: str
    selection: Selection
    total: int
    began_at: datetime
    done: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    running: bool = True
    problem: str | None = None


class JobTable:
    """The newest jobs of this process, at most :data:`MAX_JOBS`. What each has done is in the audit as well.

    Requests start and find jobs, each job's thread updates its own: ``_lock`` guards the table, whose values are
    immutable, so that a request keeps a consistent job after the lock is released.
    """

    def __init__(self, operate: Callable[[OnKept], dict[str, Any]]) -> None:
        self._operate = operate
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(  # noqa: PLR0913, PLR0917  what was confirmed, by whom and why
        self, kept: KeptName, action: Action, by: str, reason: str, selection: Selection, total: int, up_to: int
    ) -> Job:
        """Begin to move the ``total`` commands that were counted, none with a number above ``up_to``.

        Commands that are kept meanwhile are left alone: nobody has confirmed them. Raises :class:`TooManyJobs`.
        """
        job = Job(secrets.token_urlsafe(9), kept, action, by, reason, selection, total, datetime.now(UTC))
        with self._lock:
            self._make_room()
            self._jobs[job.id] = job
        threading.Thread(target=self._run, args=(job, up_to), name=f"{action} {job.id}", daemon=True).start()
        return job

    def find(self, id_: str) -> Job | None:
        """Return a job as it is now, None when it is not known (any more)."""
        with self._lock:
            return self._jobs.get(id_)

    def _make_room(self) -> None:
        """Remove the oldest finished jobs until one more fits. The caller holds the lock."""
        finished = [job.id for job in self._jobs.values() if not job.running]
        surplus = len(self._jobs) - MAX_JOBS + 1
        if surplus > len(finished):
            raise TooManyJobs(f"{MAX_JOBS} actions are running here: try again when one has ended")
        for id_ in finished[: max(0, surplus)]:
            del self._jobs[id_]

    def _update(self, id_: str, **changes: Any) -> None:
        # The job is in the table: only finished jobs are removed, and this one is running.
        with self._lock:
            self._jobs[id_] = replace(self._jobs[id_], **changes)

    def _run(self, job: Job, up_to: int) -> None:
        def make_page(after: int, size: int) -> OnKept:
            return OPERATIONS[job.kept][job.action](
                by=job.by, reason=job.reason, selection=job.selection, after=after, up_to=up_to, limit=size
            )

        def report(progress: MoveProgress) -> None:
            self._update(job.id, done=progress.done, skipped=dict(progress.skipped))

        problem: str | None = None
        try:
            move(self._operate, make_page, job.total, None, report)
        except WritegateError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001  whatever ends the thread, the job must not look running for ever
            problem = f"{type(error).__name__}: {error}"
        self._update(job.id, running=False, problem=problem)
