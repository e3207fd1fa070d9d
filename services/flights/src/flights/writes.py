"""How departures and arrivals change the tables.

Both handlers take any number of commands, add up their totals in Python and send one statement for each table, its rows
in the order of the primary key.

They lock the day totals in opposite orders, on purpose: a departure locks the airport's row first, an arrival the
carrier's. Code that was written by two people at different times often does this. Services that write directly
deadlock as soon as two transactions meet; the gate applies these commands one batch at a time and has no such problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ARRAY, Column, Connection, Table, Update, bindparam, cast, func, update
from sqlalchemy.dialects.postgresql import Insert, insert

from fleet.contract import LogFlight
from flights.contract import OfFlight, RecordArrival, RecordDeparture, flights
from flights.tables import airport_day, carrier_day, flight
from writegate_writer import Decline, Writes, emit

writes = Writes(flights, tables=[flight, airport_day, carrier_day])


@writes.handler(RecordDeparture)
def record_departures(connection: Connection, commands: Sequence[RecordDeparture]) -> None:
    """Insert the flights and add them to their airports' and carriers' days."""
    rows = [_departed(command) for command in commands]
    connection.execute(insert(flight), sorted(rows, key=lambda row: str(row["flight"])))
    changes = [(command, _departure_totals(command)) for command in commands]
    _add(connection, airport_day, "airport", ((command.origin, command, added) for command, added in changes))
    _add(connection, carrier_day, "carrier", ((command.carrier, command, added) for command, added in changes))


@writes.handler(RecordArrival)
def record_arrivals(connection: Connection, commands: Sequence[RecordArrival]) -> None:
    """Complete the flights, add to their carriers' and airports' days, and emit the flight time to fleet."""
    _complete(connection, commands)
    changes = [(command, _arrival_totals(command)) for command in commands]
    _add(connection, carrier_day, "carrier", ((command.carrier, command, added) for command, added in changes))
    _add(connection, airport_day, "airport", ((command.origin, command, added) for command, added in changes))
    for command in commands:
        if command.tail is not None and command.air_minutes is not None:
            emit(
                LogFlight(tail=command.tail, flight=command.flight, minutes=command.air_minutes),
                parent=command,
            )


def _departed(command: RecordDeparture) -> dict[str, object]:
    return {
        "flight": command.flight,
        "carrier": command.carrier,
        "number": command.number,
        "day": command.day,
        "origin": command.origin,
        "destination": command.destination,
        "distance": command.distance,
        "scheduled_at": command.scheduled_at,
        "departed_at": command.departed_at,
        "departure_delay": _delay_minutes(command.scheduled_at, command.departed_at),
        "tail": command.tail,
        "state": "departed" if command.departed_at else "cancelled",
    }


def _delay_minutes(scheduled: datetime, actual: datetime | None) -> int | None:
    return None if actual is None else round((actual - scheduled).total_seconds() / 60)


# What one flight adds to a day, in the order of these columns.
TOTALS = ("departures", "cancelled", "departure_delay", "arrivals", "diverted", "arrival_delay", "air_minutes")
Totals = tuple[int, int, int, int, int, int, int]


def _departure_totals(command: RecordDeparture) -> Totals:
    if command.departed_at is None:
        return (0, 1, 0, 0, 0, 0, 0)
    return (1, 0, _delay_minutes(command.scheduled_at, command.departed_at) or 0, 0, 0, 0, 0)


def _arrival_totals(command: RecordArrival) -> Totals:
    if command.air_minutes is None:
        return (0, 0, 0, 0, 1, 0, 0)
    return (0, 0, 0, 1, 0, command.delay_minutes or 0, command.air_minutes)


def _add(connection: Connection, table: Table, owner: str, changes: Iterable[tuple[str, OfFlight, Totals]]) -> None:
    """Add each command's totals to the row of its owner and day."""
    totals: dict[tuple[object, ...], list[int]] = {}
    for name, command, added in changes:
        row = totals.setdefault((name, command.day), [0] * len(TOTALS))
        for position, number in enumerate(added):
            row[position] += number
    rows = [
        {owner: key[0], "day": key[1], **dict(zip(TOTALS, row, strict=True))} for key, row in sorted(totals.items())
    ]
    connection.execute(_ADD[table.name], rows)


def _adding(table: Table) -> Insert:
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=table.primary_key,
        set_={name: table.c[name] + statement.excluded[name] for name in TOTALS},
    )


_ADD = {table.name: _adding(table) for table in (airport_day, carrier_day)}

_COMPLETED = [flight.c[name] for name in ("flight", "state", "arrived_at", "arrival_delay", "air_minutes")]


def _completing() -> Update:
    """Return one statement for any number of flights: an array of parameters for each column, unnested into rows."""
    arrays = [cast(bindparam(f"new_{column.name}"), ARRAY(column.type)) for column in _COMPLETED]
    columns = [Column(column.name, column.type) for column in _COMPLETED]
    given = func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
    return (
        update(flight)
        .where(flight.c.flight == given.c.flight, flight.c.state == "departed")
        .values({column: given.c[column.name] for column in _COMPLETED[1:]})
        .returning(flight.c.flight)
    )


_COMPLETE = _completing()


def _complete(connection: Connection, commands: Sequence[RecordArrival]) -> None:
    """Complete the flights that have departed; :class:`Decline` the arrivals of all others."""
    by_flight = {command.flight: command for command in reversed(commands)}  # the first of a flight counts
    arrived = [by_flight[name] for name in sorted(by_flight)]
    columns = {
        "new_flight": [command.flight for command in arrived],
        "new_state": ["diverted" if command.air_minutes is None else "arrived" for command in arrived],
        "new_arrived_at": [command.arrived_at for command in arrived],
        "new_arrival_delay": [command.delay_minutes for command in arrived],
        "new_air_minutes": [command.air_minutes for command in arrived],
    }
    completed = set(connection.scalars(_COMPLETE, columns))
    others = [
        command for command in commands if command.flight not in completed or by_flight[command.flight] is not command
    ]
    if others:
        raise Decline(
            {
                command.command_id: f"{command.flight} is not on its way: "
                "expected a departure and no arrival recorded before this one"
                for command in others
            }
        )
