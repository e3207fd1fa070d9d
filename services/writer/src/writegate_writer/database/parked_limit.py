"""How much of each service is parked: a service with too much of it is not consumed until people have decided.

Parked commands are kept until then, with their bodies, so whoever sends nothing but junk would fill the database. While
its lanes are stopped the broker keeps what comes, and refuses at the limits of the queues. A chore of
`worker/housekeeping.py`, on the connection of whichever slot does it; the control thread asks :meth:`ParkedLimit.full`.
"""

from __future__ import annotations

import time

import structlog

from writegate.config import Settings
from writegate.contract.targets import BUILT_IN
from writegate_writer.database.session import Session

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 5.0
# A service that was stopped goes on when less than this part of the limit is left.
_RESUME = 0.9

# The size of a body is known without reading it from where PostgreSQL keeps large values.
_COUNT = """
SELECT service, count(*), coalesce(sum(octet_length(raw)), 0)::bigint FROM writegate.parked
WHERE state = 'parked' GROUP BY service
"""


class ParkedLimit:
    """Which services have too much parked."""

    def __init__(self, settings: Settings) -> None:
        self._most_commands = settings.parked_commands
        self._most_bytes = settings.parked_bytes
        self._due = 0.0
        self._full: frozenset[str] = frozenset()  # replaced as a whole: other threads read it

    @property
    def due_at(self) -> float:
        """When it is counted next, as :func:`time.monotonic` counts."""
        return self._due

    def full(self, service: str) -> bool:
        """Whether a service has too much parked."""
        return service in self._full

    def tick(self, session: Session) -> None:
        """Count. Raises :class:`DatabaseFault`."""
        self._due = time.monotonic() + _EVERY_SECONDS
        before, full = self._full, set()
        for service, commands, size in session.own(_COUNT):
            part = _RESUME if service in before else 1.0
            # The operators' own commands are how people decide about all others.
            if service != BUILT_IN and (commands >= part * self._most_commands or size >= part * self._most_bytes):
                full.add(service)
                if service not in before:
                    log.error("parked.full", service=service, commands=commands, bytes=size, cure="writegate parked")
        self._full = frozenset(full)
