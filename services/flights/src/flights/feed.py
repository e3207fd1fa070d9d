"""An endless feed made of the recorded year: when it ends, the same flights follow a year later."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from flights.contract import OfFlight, RecordArrival, RecordDeparture
from flights.dataset import events

_YEAR = timedelta(days=365)


def feed(position: Path | None) -> Iterator[OfFlight]:
    """Yield events in the order of time, starting at the number in the file ``position``.

    The file is written before an event is yielded: after a crash the last event may be missing, and none is repeated.
    """
    start = int(position.read_text()) if position is not None and position.exists() else 0
    for number, command in enumerate(itertools.islice(_for_ever(), start, None), start + 1):
        if position is not None:
            position.write_text(f"{number}\n")
        yield command


def _for_ever() -> Iterator[OfFlight]:
    for year in itertools.count():
        for _, command in events():
            yield later(command, year * _YEAR) if year else command


def later(command: OfFlight, time: timedelta) -> OfFlight:
    """Return the same event for another flight, ``time`` later."""
    fields = command.model_dump()
    for name in ("day", "scheduled_at", "departed_at", "arrived_at"):
        if fields.get(name) is not None:
            fields[name] += time
    kind = RecordDeparture if isinstance(command, RecordDeparture) else RecordArrival
    return kind(**fields)
