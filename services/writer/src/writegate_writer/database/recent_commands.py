"""A sample of what was applied: the last command seen of each type and version, for `writegate check`.

It costs a batch nothing. One batch a second is looked through, after its receipts are on their way, and housekeeping
writes what was found once a minute.
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

_LOOK_SECONDS = 1.0  # a thousand commands take a tenth of a millisecond
_KEEP_SECONDS = 60.0

# In order, as another writer may be at it. The newest wins; which of two writers' that is does not matter.
_KEEP = """
INSERT INTO writegate.recent (service, task, version, id, key, raw)
SELECT * FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::bytea[])
ON CONFLICT (task, version) DO UPDATE
SET id = excluded.id, key = excluded.key, raw = excluded.raw, seen_at = clock_timestamp()
"""


class Recent:
    """What this process saw since it last wrote it down."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, int], Item] = {}
        self._look_due = self._keep_due = 0.0

    def collect(self, done: BatchResult) -> None:
        """Look at what a transaction applied. From any thread."""
        now = self._monotonic()
        if now < self._look_due or not done.plan.fresh:
            return
        self._look_due = now + _LOOK_SECONDS
        with self._lock:
            self._seen.update({(command.item.task, command.item.version): command.item for command in done.plan.fresh})

    @property
    def due_at(self) -> float:
        """When there is something to write next, of :func:`time.monotonic`; infinite while nothing was seen."""
        return self._keep_due if self._seen else math.inf

    def tick(self, session: Session) -> None:
        """Write down what was seen, when that is due. Raises :class:`DatabaseFault` only when the database is gone."""
        if self._monotonic() < self._keep_due or not self._seen:
            return
        self._keep_due = self._monotonic() + _KEEP_SECONDS
        with self._lock:
            seen, self._seen = self._seen, {}
        try:
            session.own(_KEEP, _columns([item for _, item in sorted(seen.items(), key=lambda entry: entry[0])]))
        except DatabaseFault as error:
            if error.fault is Fault.OUTAGE:
                raise
            # Such as a schema older than this writer: it stops no commands.
            log.warning("recent.put_off", error=f"{error.sqlstate}: {error}", again_in_seconds=_KEEP_SECONDS)


def _columns(items: Sequence[Item]) -> list[list[object]]:
    rows = (
        (item.task.partition(".")[0], item.task, item.version, sanitize_text(item.id), item.key, item.fields)
        for item in items
    )
    return [list(column) for column in zip(*rows, strict=True)]
