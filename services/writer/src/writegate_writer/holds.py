"""Holds: stops on a service, a lane, a command type, a key or a table. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from writegate.errors import WritegateError

_FORMS = "flights | flights.0 | flights.record_departure | flights key=UA123 | table:airport_day"
_PLAIN = re.compile(r"(?P<service>[a-z][a-z0-9_]*)(\.((?P<lane>\d+)|(?P<command>[a-z][a-z0-9_]*)))?")
_KEY = re.compile(r"(?P<service>[a-z][a-z0-9_]*) key=(?P<key>.+)", re.DOTALL)


class TargetError(WritegateError):
    """A hold's target has no meaning."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a hold stops. Exactly one of ``lane``, ``task``, ``key`` and ``table`` is set, or none: a whole service."""

    service: str | None = None
    lane: int | None = None
    task: str | None = None
    key: str | None = None
    table: str | None = None

    @property
    def stops_consuming(self) -> bool:
        """Whether messages stay in their queue; else commands are taken and deferred one by one."""
        return self.task is None and self.key is None and self.table is None


def parse(text: str) -> Target:
    """Read a target. Raises :class:`TargetError` with the forms there are."""
    if text.startswith("table:") and len(text) > len("table:"):
        return Target(table=text.removeprefix("table:"))
    if match := _KEY.fullmatch(text):
        return Target(match["service"], key=match["key"])
    if match := _PLAIN.fullmatch(text):
        service, lane, command = match["service"], match["lane"], match["command"]
        return Target(service, int(lane) if lane else None, f"{service}.{command}" if command else None)
    raise TargetError(f"{text!r} is no target of a hold: expected one of {_FORMS}")


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds in force, by what they stop: reasons by target."""

    tasks: Mapping[str, str]
    keys: Mapping[tuple[str, str], str]
    tables: Mapping[str, str]
    lanes: Mapping[tuple[str, int], str]
    services: Mapping[str, str]

    @property
    def any_on_commands(self) -> bool:
        """Whether some command might have to wait."""
        return bool(self.tasks or self.keys or self.tables)

    def on_lane(self, service: str, lane: int) -> str | None:
        """Return why a lane may not be consumed, or None."""
        return self.services.get(service) or self.lanes.get((service, lane))

    def on_command(self, task: str, key: str | None, tables: Iterable[str]) -> str | None:
        """Return why a command that touches ``tables`` must wait, or None."""
        if task in self.tasks:
            return self.tasks[task]
        service = task.partition(".")[0]
        if key is not None and (service, key) in self.keys:
            return self.keys[service, key]
        return next((self.tables[table] for table in tables if table in self.tables), None)


def holds_of(rows: Iterable[tuple[str, str]]) -> Holds:
    """Return the holds of ``(target, reason)`` rows. A target that means nothing stops nothing."""
    found = Holds({}, {}, {}, {}, {})
    for text, reason in rows:
        try:
            target = parse(text)
        except TargetError:
            continue
        _add(found, target, f"held: {reason}")
    return found


def _add(found: Holds, target: Target, reason: str) -> None:
    # The mappings are ours alone until we return them.
    for mapping, name in (
        (found.tables, target.table),
        (found.tasks, target.task),
        (found.keys, (target.service, target.key) if target.key is not None else None),
        (found.lanes, (target.service, target.lane) if target.lane is not None else None),
        (found.services, target.service if target.stops_consuming and target.lane is None else None),
    ):
        if name is not None:
            mapping[name] = reason  # type: ignore[index]
