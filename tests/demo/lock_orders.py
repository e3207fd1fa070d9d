"""In which order the direct writers lock the day totals: as the service's handlers do, or in one order for all.

The two handlers of ``flights`` lock them in opposite orders, so direct writers deadlock. A team that knows this gives
both handlers one order: that is the fair comparison with the gate, which does not need the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from fleet.contract import LogFlight
from flights.contract import RecordArrival
from flights.tables import airport_day, carrier_day

# The steps of the service's own handler. Only their order is another one here.
from flights.writes import _add, _arrival_totals, _complete
from writegate import contract_of
from writegate_writer import emit
from writegate_writer.handlers.loading import load_services
from writegate_writer.handlers.writes import ManyHandler


class LockOrder(StrEnum):
    """Which handlers the direct writers run. The value is the heading of their column."""

    OPPOSITE = "opposite lock orders"
    ONE = "one lock order"

    @property
    def database(self) -> str:
        """The name of the database that these writers have for themselves."""
        return f"before_{self.name.lower()}"

    def handlers(self) -> Mapping[str, ManyHandler[Any]]:
        """Return all services' handlers by task."""
        handlers = {task: handler for writes in load_services().values() for task, handler in writes.handlers.items()}
        if self is LockOrder.ONE:
            handlers[contract_of(RecordArrival).task] = record_arrivals_airport_first
        return handlers


def record_arrivals_airport_first(connection: Connection, commands: Sequence[RecordArrival]) -> None:
    """Do what the service's handler does, but lock the airport's day before the carrier's, as departures do."""
    _complete(connection, commands)
    changes = [(command, _arrival_totals(command)) for command in commands]
    _add(connection, airport_day, "airport", ((command.origin, command, added) for command, added in changes))
    _add(connection, carrier_day, "carrier", ((command.carrier, command, added) for command, added in changes))
    for command in commands:
        if command.tail is not None and command.air_minutes is not None:
            emit(
                LogFlight(tail=command.tail, flight=command.flight, minutes=command.air_minutes),
                parent=command,
            )
