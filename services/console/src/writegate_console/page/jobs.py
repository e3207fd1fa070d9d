"""Actions on more parked commands than one transaction moves: a page after the other, while somebody watches."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from writegate.errors import WritegateError
from writegate.operations import MOST_AT_ONCE, Drop, OnParked, Replay, Selection

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
    skipped: Counter[str] = field(default_factory=Counter)
    running: bool = True
    problem: str | None = None


class Jobs:
    """The actions of this process, the newest of them. What one has done is in the audit as well."""

    def __init__(self, operate: Callable[[OnParked], dict[str, Any]]) -> None:
        self._operate = operate
        self._jobs: dict[str, Job] = {}

    def start(self, action: Action, by: str, reason: str, selection: Selection, total: int) -> Job:
        """Begin. What is parked from now on is left alone: nobody has confirmed it."""
        now = datetime.now(UTC)
        before = min(selection.before or now, now)
        selection = selection.model_copy(update={"before": before})
        job = Job(secrets.token_urlsafe(9), action, by, reason, selection, total, now)
        while len(self._jobs) >= MOST_KEPT:
            del self._jobs[next(iter(self._jobs))]
        self._jobs[job.id] = job
        threading.Thread(target=self._run, args=(job,), name=f"{action} {job.id}", daemon=True).start()
        return job

    def find(self, id_: str) -> Job | None:
        """Return a job by its id."""
        return self._jobs.get(id_)

    def _run(self, job: Job) -> None:
        after = 0
        try:
            while True:
                operation = _OPERATIONS[job.action](
                    by=job.by, reason=job.reason, selection=job.selection, after=after, limit=MOST_AT_ONCE
                )
                result = self._operate(operation)
                skipped = Counter[str](result.get("skipped", {}))
                job.done += result["done"]
                job.skipped += skipped
                last = result.get("last")
                if last is None or last <= after or result["done"] + skipped.total() < MOST_AT_ONCE:
                    return
                after = last
        except WritegateError as error:
            job.problem = str(error)
        except Exception as error:  # noqa: BLE001  a thread that ends of it would leave the job running for ever
            job.problem = f"{type(error).__name__}: {error}"
        finally:
            job.running = False
