"""From the rows about one command id to what happened, in order of time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from writegate.contract.ids import millis_of
from writegate_console.gate.database import Row

_LAST_MILLIS = 253_402_300_799_999  # of the year 9999, the last that datetime knows

_FINISHED = {"a": "applied", "d": "declined", "p": "finished: parked"}
_ACTIONS = {
    "replay": "replayed by people",
    "park": "parked by people",
    "drop": "dropped by people",
    "edit": "edited by people",
}


@dataclass(frozen=True, slots=True)
class CommandRows:
    """The rows about a command id, by table. ``services``: those whose rows were searched."""

    id: str
    services: tuple[str, ...]
    ledger: Sequence[Row] = ()
    parked: Sequence[Row] = ()
    deferred: Sequence[Row] = ()
    suspects: Sequence[Row] = ()
    outbox: Sequence[Row] = ()
    emitted: Sequence[Row] = ()  # by its handler, sent or not
    actions: Sequence[Row] = ()  # by people, on what is parked or deferred under this id

    @property
    def anything(self) -> bool:
        """Whether there is any row; an id alone proves nothing."""
        return any((self.ledger, self.parked, self.deferred, self.suspects, self.outbox))


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``at`` is None where the time is not kept."""

    at: datetime | None
    what: str
    detail: Mapping[str, Any]


def events_of(rows: CommandRows) -> list[Event]:
    """Return what is known to have happened, in order of time; what has no known time comes last.

    The ledger keeps no lane, key or origin of a command that was applied at once; rows of parked and deferred ones do.
    """
    return sorted(_events(rows), key=lambda event: (event.at is None, event.at or datetime.max.replace(tzinfo=UTC)))


def _events(rows: CommandRows) -> Iterator[Event]:
    if (millis := millis_of(rows.id)) is not None and millis <= _LAST_MILLIS:
        # By the publisher's clock.
        yield Event(datetime.fromtimestamp(millis / 1000, UTC), "published", _origin(rows))
    for row in rows.outbox:
        if row["id"] == rows.id:
            yield Event(None, "emitted, not sent yet", _without(row, "id"))
        else:
            yield Event(None, "emits, not sent yet", _without(row, "parent"))
    waiting = {row["id"] for row in rows.outbox}
    for row in rows.emitted:
        if row["id"] not in waiting:
            yield Event(None, "emitted", _without(row, "parent"))
    for row in rows.deferred:
        yield Event(row["deferred_at"], "deferred", _without(row, "deferred_at", "state"))
        if row["state"] == "deferred":
            yield Event(None, "waiting", {"service": row["service"], "reason": row["reason"]})
    for row in rows.suspects:
        yield Event(None, "suspected of crashing writers", row)
    yield from _parked_events(rows)
    for row in rows.ledger:
        what = _FINISHED[row["outcome"]]
        yield Event(row["committed_at"], what, _without(row, "committed_at", "outcome"))


def _parked_events(rows: CommandRows) -> Iterator[Event]:
    for row in rows.parked:
        yield Event(row["parked_at"], "parked", _without(row, "parked_at", "state"))
        if row["state"] != "parked":
            yield Event(None, row["state"], {"service": row["service"]})
    for row in rows.actions:
        yield Event(row["at"], _ACTIONS[row["action"]], _without(row, "at", "action"))


def _origin(rows: CommandRows) -> Row:
    origins = {row["origin"] for row in (*rows.parked, *rows.deferred) if row["origin"]}
    return {"by": ", ".join(sorted(origins))} if origins else {}


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names and value is not None}
