"""Durations as people type them: ``90s``, ``30m``, ``2h``, ``1d``. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

_FORM = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Read a duration. Raises :class:`ValueError` that names the forms there are."""
    match = _FORM.fullmatch(text.strip())
    if match is None or float(match["number"]) == 0:
        raise ValueError(f"{text!r}: expected a number and a unit, such as 90s, 30m, 2h or 1d")
    try:
        return timedelta(**{_UNITS[match["unit"]]: float(match["number"])})
    except OverflowError:
        raise _too_long(text) from None


def time_after(begin: datetime, text: str) -> datetime | None:
    """Return when a duration that starts at ``begin`` ends, None for an empty text. Raises :class:`ValueError`."""
    if not text:
        return None
    try:
        return begin + parse_duration(text)
    except OverflowError:
        raise _too_long(text) from None


def time_before(end: datetime, text: str) -> datetime:
    """Return when a duration that ends at ``end`` began. Raises :class:`ValueError`."""
    try:
        return end - parse_duration(text)
    except OverflowError:
        raise _too_long(text) from None


def _too_long(text: str) -> ValueError:
    return ValueError(f"{text!r} is too long: no calendar has that date")
