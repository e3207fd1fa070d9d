"""A sample of what was applied: the last command seen of each type and version, for `writegate check`.

Batches are not delayed by it: one batch a second is sampled, after its receipts were sent, and housekeeping writes the
sample once a minute.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from writegate.message.envelope import Item
from writegate_writer.database.session import Session
from writegate_writer.decide.result import BatchResult
from writegate_writer.errors import DatabaseFault, Fault
from writegate_writer.receive.sanitizing import sanitize_text

log = structlog.get_logger(__name__)

_SAMPLE_SECONDS = 1.0  # a thousand commands take a tenth of a millisecond
_WRITE_SECONDS = 60.0

# Sorted, as another writer may write the same rows: one order avoids deadlocks. The last write wins, of any writer.
_WRITE = """
INSERT INTO writegate.recent (service, task, version, id, key, raw)
SELECT * FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::bytea[])
ON CONFLICT (task, version) DO UPDATE
SET id = excluded.id, key = excluded.key, raw = excluded.raw, seen_at = clock_timestamp()
"""


class Recent:
    """The last command of each type and version that this process applied since the last write.

    ``collect`` is called by any slot thread, ``tick`` by housekeeping; what was seen is under a lock.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, int], Item] = {}
        self._sample_due = self._write_due = 0.0

    def collect(self, done: BatchResult) -> None:
        """Sample a finished batch, at most one a second. From any thread."""
        now = self._monotonic()
        if now < self._sample_due or not done.plan.fresh:
            return
        self._sample_due = now + _SAMPLE_SECONDS
        with self._lock:
            self._seen.update({(command.item.task, command.item.version): command.item for command in done.plan.fresh})

    @property
    def due_at(self) -> float:
        """When the next write is due, as :func:`time.monotonic` counts; infinite while there is nothing to write."""
        return self._write_due if self._seen else math.inf

    def tick(self, session: Session) -> None:
        """Write the sample if that is due. Raises :class:`DatabaseFault` only when the database cannot be reached."""
        if self._monotonic() < self._write_due or not self._seen:
            return
        self._write_due = self._monotonic() + _WRITE_SECONDS
        with self._lock:
            seen, self._seen = self._seen, {}
        try:
            session.own(_WRITE, _columns([item for _, item in sorted(seen.items(), key=lambda entry: entry[0])]))
        except DatabaseFault as error:
            if error.fault is Fault.OUTAGE:
                raise
            # For example, the schema is older than this writer: commands go on.
            log.warning("recent.put_off", error=f"{error.sqlstate}: {error}", again_in_seconds=_WRITE_SECONDS)


def _columns(items: Sequence[Item]) -> list[list[object]]:
    rows = (
        (item.task.partition(".")[0], item.task, item.version, sanitize_text(item.id), item.key, item.fields)
        for item in items
    )
    return [list(column) for column in zip(*rows, strict=True)]
