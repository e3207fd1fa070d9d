"""What must hold: checked with every commit, now and then, and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.simulation.database import Database, Lock, Row, Session
from tests.simulation.history import History, Violation
from tests.simulation.schedule import Schedule
from tests.simulation.services import Numbered, Order
from tests.simulation.writers import Writer
from writegate.contract.command import contract_of
from writegate.contract.ids import ledger_id
from writegate_writer.decide.store import DECLINED


class Checks:
    """The guarantees."""

    def __init__(self, schedule: Schedule, history: History) -> None:
        self._schedule = schedule
        self._history = history
        self._made: dict[str, Numbered] = {}
        self._accepted: set[str] = set()
        self._applied: dict[str, Row] = {}
        self._last: dict[tuple[str, str], int] = {}
        self._passed: set[str] = set()  # parked without making their keys wait: they have lost their place
        self._removed: set[str] = set()  # by people

    # Called by the publishers.

    def published(self, thread: str, commands: Sequence[Numbered]) -> None:
        """A call begins."""
        self._made.update((command.command_id, command) for command in commands)
        self._history.add(self._schedule.now, thread, "publishes {}", commands)

    def accepted(self, thread: str, commands: Sequence[Numbered]) -> None:
        """A call was accepted."""
        self._accepted.update(command.command_id for command in commands)
        self._history.add(self._schedule.now, thread, "accepted  {}", commands)

    def unfinished(self) -> list[Numbered]:
        """Return the commands that were accepted and are not applied, in the order in which they were made."""
        return [made for id_, made in self._made.items() if id_ in self._accepted and id_ not in self._applied]

    # Called by the database.

    def committed(self, session: Session, changes: dict[Lock, Row]) -> None:
        """Each effect once, and in its key's order."""
        for (table, key), row in changes.items():
            if table == "journal":
                self._effect(session, *row)
            elif table == "parked" and row.state == "parked" and not row.parks_key:
                self._passed.add(key[1])
            elif table == "removal" and row is not None:
                self._removed.add(key[1])

    def _effect(self, session: Session, task: str, id_: str, key: str | None, n: int) -> None:
        self._history.add(self._schedule.now, session.name, "applied {} {} n={}", task, key, n)
        if id_ in self._applied:
            raise Violation(f"applied twice: {task} {key} n={n} ({id_})")
        self._applied[id_] = (task, key, n)
        if key is None or id_ in self._passed:
            return  # nothing orders those
        place = (task.partition(".")[0], key)
        if n <= self._last.get(place, 0):
            raise Violation(f"out of order: {task} {key} n={n} was applied after n={self._last[place]}")
        self._last[place] = n

    # Now and then.

    def bounded(self, database: Database, writers: Sequence[Writer], slots: int) -> None:
        """Connections."""
        if len(database.sessions) > database.budget:
            raise Violation(f"{len(database.sessions)} connections, the budget is {database.budget}")
        for writer in writers:
            mine = [session.name for session in database.sessions if session.group is writer.group]
            if len(mine) > slots + 1:
                raise Violation(f"{writer.group.name} has {len(mine)} connections: {', '.join(mine)}")

    # In the end.

    def complete(self, database: Database) -> None:
        """Nothing accepted is lost, only what is bad is parked, and what was emitted arrived."""
        parked: dict[str, Any] = {id_: row for (_, id_, _), row in database.tables.get("parked", {}).items()}
        ledger = database.tables.get("ledger", {})
        declined = {id_ for (_, id_), known in ledger.items() if known.outcome == DECLINED}
        for id_ in sorted(self._accepted):
            if id_ not in self._applied and id_ not in parked and ledger_id(id_) not in declined:
                raise Violation(f"lost: {_shown(self._made[id_])} ({id_}) was accepted, and nothing became of it")
        for id_, made in sorted(self._made.items()):
            if ledger_id(id_) in declined and (made.bad != "is declined" or id_ in self._applied):
                raise Violation(f"declined for no reason, or applied all the same: {_shown(made)} ({id_})")
        for id_, row in sorted(parked.items()):
            command = self._made.get(id_)
            if (id_ in self._applied or ledger_id(id_) in declined) != (row.state == "replayed"):
                effect = "applied" if id_ in self._applied else "not applied"
                raise Violation(f"{effect} and {row.state}: {_shown(command)} ({id_})")
            if (command is None or not command.bad) and ledger_id(id_) not in self._removed:
                raise Violation(f"parked though nothing is wrong with it: {_shown(command)} ({id_}): {row.cause}")
        for id_ in self._applied:
            if id_ in self._made and self._made[id_].bad and id_ not in parked:
                raise Violation(f"applied though it is bad: {_shown(self._made[id_])}")
        self._emitted_once(database)
        self._totals(database)

    def _emitted_once(self, database: Database) -> None:
        orders = sorted(id_ for id_ in self._applied if isinstance(self._made.get(id_), Order))
        parcels = sorted(database.tables.get("parcel", {}))
        shipped = sum(task == "parcels.ship" for task, _, _ in self._applied.values())
        if orders != parcels or shipped != len(orders):
            raise Violation(f"{len(orders)} orders were applied, {len(parcels)} parcels are there, {shipped} shipped")

    def _totals(self, database: Database) -> None:
        total = sum(database.tables.get("total", {}).values())
        if total != len(self._applied):
            raise Violation(f"{len(self._applied)} commands were applied, the rows say {total}")

    @property
    def figures(self) -> tuple[int, int]:
        """How many commands were accepted and applied."""
        return len(self._accepted), len(self._applied)


def _shown(command: Numbered | None) -> str:
    return "?" if command is None else f"{contract_of(command).task} {command!r}"
