"""Reading tables and telling them from what they must hold, row by row and column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.demo.oracle import Table

KEY_COLUMNS = {
    "flights.flight": 1,
    "flights.airport_day": 2,
    "flights.carrier_day": 2,
    "fleet.airframe": 1,
    "weather.observation": 2,
}
Ask = Callable[[str], list[tuple[Any, ...]]]


def read(ask: Ask, name: str) -> Table:
    """Return a table of the database, keyed by its first columns."""
    keys = KEY_COLUMNS[name]
    return {row[:keys]: row[keys:] for row in ask(f"select * from {name}")}


def differences(expected: Mapping[str, Table], ask: Ask) -> Iterator[str]:
    """Yield a line for each row that is missing, too many or not as expected. No line: the database is exact."""
    for name, rows in expected.items():
        found = read(ask, name)
        for key in rows.keys() | found.keys():
            if rows.get(key) != found.get(key):
                yield f"{name} {key}: expected {rows.get(key, 'no row')}, found {found.get(key, 'no row')}"
