"""Holds in force: stops on a service, a lane, a command type, a key or a table. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from writegate.contract.targets import BUILT_IN, Target, TargetError, parse


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds in force, by what they stop: reasons by target.

    ``unreadable``: targets that cannot be read, with what is wrong. ``everything``: why all services but the built-in
    one are stopped, because it is unknown which service such a target means.
    """

    tasks: Mapping[str, str]
    keys: Mapping[tuple[str, str], str]
    tables: Mapping[str, str]
    lanes: Mapping[tuple[str, int], str]
    services: Mapping[str, str]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    everything: str | None = None

    @property
    def any_on_commands(self) -> bool:
        """Whether some command might have to wait."""
        return bool(self.tasks or self.keys or self.tables)

    def on_lane(self, service: str, lane: int) -> str | None:
        """Return why a lane may not be consumed, or None."""
        if self.everything is not None and service != BUILT_IN:
            return self.everything
        return self.services.get(service) or self.lanes.get((service, lane))

    def on_command(self, task: str, key: str | None, tables: Collection[str]) -> str | None:
        """Return why a command of a type that touches ``tables`` must wait, or None."""
        if task in self.tasks:
            return self.tasks[task]
        service = task.partition(".")[0]
        if key is not None and (service, key) in self.keys:
            return self.keys[service, key]
        return next((self.tables[table] for table in tables if table in self.tables), None)


def holds_of(rows: Iterable[tuple[str, str]], services: Collection[str] = ()) -> Holds:
    """Return the holds of ``(target, reason)`` rows. ``services``: the names of all that the database knows.

    Holds are for safety, so a hold whose target cannot be read stops everything that it may mean: the services whose
    names the target begins with; when there is none, all services but the built-in one, which is needed to release it.
    """
    found = Holds({}, {}, {}, {}, {})
    for text, reason in rows:
        try:
            target = parse(text)
        except TargetError as error:
            found = _with_unreadable(found, text, f"{error}. Its reason: {reason}", services)
            continue
        if target.service == BUILT_IN and target.stops_consuming:
            continue  # nobody could release it
        _add(found, target, f"held: {reason}")
    return found


def _with_unreadable(found: Holds, text: str, wrong: str, services: Collection[str]) -> Holds:
    reason = f"held by an unreadable target: {wrong}"
    named = {service: reason for service in services if service != BUILT_IN and text.startswith(service)}
    return replace(
        found,
        services={**found.services, **named},
        unreadable={**found.unreadable, text: wrong},
        everything=found.everything if named else reason,
    )


def _add(found: Holds, target: Target, reason: str) -> None:
    # :func:`holds_of` made these mappings and has not returned them yet.
    for mapping, name in (
        (found.tables, target.table),
        (found.tasks, target.task),
        (found.keys, (target.service, target.key) if target.key is not None else None),
        (found.lanes, (target.service, target.lane) if target.lane is not None else None),
        (found.services, target.service if target.stops_consuming and target.lane is None else None),
    ):
        if name is not None:
            mapping[name] = reason  # type: ignore[index]
