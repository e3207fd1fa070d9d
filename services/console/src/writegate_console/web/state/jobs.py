"""Actions on more parked commands than one transaction moves: a page after the other, while somebody watches."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from writegate.contract.operations import Drop, OnParked, Replay, Selection
from writegate.errors import WritegateError
from writegate_console.gate.parked.moving import Moved, move

MOST_KEPT = 100
Action = Literal["replay", "drop"]
_OPERATIONS: dict[Action, type[OnParked]] = {"replay": Replay, "drop": Drop}


@dataclass
class Job:
    """One action. ``total``: how many there were when it was confirmed; ``problem``: why it ended before its end."""

    id: str
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


class Jobs:
    """The actions of this process, the newest of them. What one has done is in the audit as well."""

    def __init__(self, operate: Callable[[OnParked], dict[str, Any]]) -> None:
        self._operate = operate
        self._jobs: dict[str, Job] = {}

    def start(  # noqa: PLR0913, PLR0917  what was confirmed, by whom and why
        self, action: Action, by: str, reason: str, selection: Selection, total: int, up_to: int
    ) -> Job:
        """Begin, on the ``total`` that were counted, none with a number above ``up_to``.

        What is parked meanwhile is left alone: nobody has confirmed it.
        """
        job = Job(secrets.token_urlsafe(9), action, by, reason, selection, total, datetime.now(UTC))
        while len(self._jobs) >= MOST_KEPT:
            del self._jobs[next(iter(self._jobs))]
        self._jobs[job.id] = job
        threading.Thread(target=self._run, args=(job, up_to), name=f"{action} {job.id}", daemon=True).start()
        return job

    def find(self, id_: str) -> Job | None:
        """Return a job by its id."""
        return self._jobs.get(id_)

    def _run(self, job: Job, up_to: int) -> None:
        def make(after: int, size: int) -> OnParked:
            return _OPERATIONS[job.action](
                by=job.by, reason=job.reason, selection=job.selection, after=after, up_to=up_to, limit=size
            )

        def tell(moved: Moved) -> None:
            job.done, job.skipped = moved.done, dict(moved.skipped)

        try:
            move(self._operate, make, job.total, None, tell)
        except WritegateError as error:
            job.problem = str(error)
        except Exception as error:  # noqa: BLE001  a thread that ends of it would leave the job running for ever
            job.problem = f"{type(error).__name__}: {error}"
        finally:
            job.running = False
