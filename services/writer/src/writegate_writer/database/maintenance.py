"""Maintenance of what grows: ledger partitions made ahead and dropped after their time, old rows and bodies deleted.

A chore of `worker/housekeeping.py`, on the connection of whichever slot does it.
"""

from __future__ import annotations

import time

import structlog

from writegate_writer.database.session import Session
from writegate_writer.errors import DatabaseFault, Fault

log = structlog.get_logger(__name__)

# An attempt to drop a partition may block every batch for half a second: once a minute, that is less than 1 %.
_INTERVAL_SECONDS = 60.0
_DAYS_AHEAD = 7
# Deleting so many takes some tens of milliseconds, which is how long a lease may wait for its renewal.
_MOST_ROWS = 5000
_MOST_BODIES = 1000  # each may be 256 KiB


class Maintenance:
    """What each writer does once a minute; an advisory lock lets only one of them do it at a time.

    ``parked_days``: for how long bodies of decided commands are kept; 0: for ever.
    """

    def __init__(self, parked_days: int) -> None:
        self._parked_days = parked_days
        self._due = 0.0

    @property
    def due_at(self) -> float:
        """When maintenance is due next, as :func:`time.monotonic` counts."""
        return self._due

    def tick(self, session: Session) -> None:
        """Do maintenance if it is due. Raises :class:`DatabaseFault` only when the database cannot be reached."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _INTERVAL_SECONDS
        try:
            more = self._maintain(session)
        except DatabaseFault as error:
            if error.fault is Fault.OUTAGE:
                raise
            # The cause is a long transaction of another session, or a schema older than this writer: commands go on.
            log.warning("maintenance.put_off", error=f"{error.sqlstate}: {error}", again_in_seconds=_INTERVAL_SECONDS)
            return
        if more:
            self._due = 0.0

    def _maintain(self, session: Session) -> bool:
        """Return whether there is more to do at once."""
        session.own("SELECT writegate.add_ledger_partitions(%s)", [_DAYS_AHEAD])
        [(more,)] = session.own("SELECT writegate.forget_rows(%s)", [_MOST_ROWS])
        [(dropped,)] = session.own("SELECT writegate.drop_ledger_partition()")
        if dropped is not None:
            log.info("ledger.dropped", day=str(dropped))
        if self._parked_days:
            [(emptied,)] = session.own("SELECT writegate.empty_decided(%s, %s)", [self._parked_days, _MOST_BODIES])
            more = more or emptied
        return bool(more) or dropped is not None
