"""Numbers, times and other values as people read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from writegate.contract.json_values import show_json

NOTHING = "–"  # noqa: RUF001  a dash, as in any table


def format_number(value: float | None, digits: int = 1) -> str:
    """Return a number in a few characters: 0.4, 812, 12,345, 1.2 M."""
    if value is None:
        return NOTHING
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:,.1f} M"
    if isinstance(value, int) or abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.{digits}f}"


def format_duration(seconds: float | None) -> str:
    """Return a length of time in its two largest units: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    for size, name, less, below in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // less
            return f"{whole // size} {name}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def format_milliseconds(value: float | None) -> str:
    """Return a short length of time."""
    return NOTHING if value is None else f"{value:,.1f} ms"


def format_time(value: datetime | None, *, precise: bool = False) -> str:
    """Return a time in UTC: the same zone for everybody who reads the page."""
    if value is None:
        return NOTHING
    text = value.astimezone(UTC)
    return f"{text:%Y-%m-%d %H:%M:%S}" + (f".{text.microsecond // 1000:03d}" if precise else "")


def format_clock(value: datetime | None) -> str:
    """Return the time of a day."""
    return NOTHING if value is None else f"{value.astimezone(UTC):%H:%M:%S}"


def format_age(value: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago something was."""
    if value is None:
        return NOTHING
    since = (now or datetime.now(UTC)) - value
    return f"{format_duration(max(since, timedelta()).total_seconds())} ago"


def format_json(value: Any) -> str:
    """Return a value as indented JSON."""
    return show_json(value, indent=2)


def format_value(value: Any) -> str:
    """Return any value of a row as one line of text."""
    if value is None:
        return NOTHING
    if isinstance(value, datetime):
        return format_time(value, precise=True)
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, dict | list):
        return show_json(value)
    return str(value)
