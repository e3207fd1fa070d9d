"""The care of what grows: partitions of the ledger made ahead and dropped when their time is over, old rows deleted."""

from __future__ import annotations

import time

import structlog

from writegate_writer.database.session import Session
from writegate_writer.errors import DatabaseFault, Fault

log = structlog.get_logger(__name__)

# A try to drop keeps every batch waiting for half a second at most: once a minute that is under a hundredth.
_CARE_SECONDS = 60.0
_DAYS_AHEAD = 7
# Deleting so many takes some tens of milliseconds, which is how long a lease may wait for its renewal.
_MOST_ROWS = 5000


class Maintenance:
    """What each writer does now and then; the database sees to it that only one of them does it at a time."""

    def __init__(self) -> None:
        self._due = 0.0

    @property
    def due_at(self) -> float:
        """When it is due next, of :func:`time.monotonic`."""
        return self._due

    def tick(self, session: Session) -> None:
        """Do what is due. Raises :class:`DatabaseFault` only when the connection or the database is gone."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _CARE_SECONDS
        try:
            more = self._take_care(session)
        except DatabaseFault as error:
            if error.fault is Fault.OUTAGE:
                raise
            # In the way is somebody's long transaction, or a schema older than this writer: neither stops commands.
            log.warning("care.put_off", error=f"{error.sqlstate}: {error}", again_in_seconds=_CARE_SECONDS)
            return
        if more:
            self._due = 0.0

    def _take_care(self, session: Session) -> bool:
        """Return whether there is more to do at once."""
        session.own("SELECT writegate.add_ledger_partitions(%s)", [_DAYS_AHEAD])
        [(more,)] = session.own("SELECT writegate.forget_rows(%s)", [_MOST_ROWS])
        [(dropped,)] = session.own("SELECT writegate.drop_ledger_partition()")
        if dropped is not None:
            log.info("ledger.dropped", day=str(dropped))
        return bool(more) or dropped is not None
