"""Durations as people type them: ``90s``, ``30m``, ``2h``, ``1d``. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

_FORM = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Read a duration. Raises :class:`ValueError` with the forms there are."""
    match = _FORM.fullmatch(text.strip())
    if match is None or float(match["number"]) == 0:
        raise ValueError(f"{text!r}: expected a number and a unit, such as 90s, 30m, 2h or 1d")
    try:
        return timedelta(**{_UNITS[match["unit"]]: float(match["number"])})
    except OverflowError:
        raise _too_long(text) from None


def after(begin: datetime, text: str) -> datetime:
    """Return when a duration is over. Raises :class:`ValueError`."""
    try:
        return begin + duration(text)
    except OverflowError:
        raise _too_long(text) from None


def before(end: datetime, text: str) -> datetime:
    """Return when a duration that ends then began. Raises :class:`ValueError`."""
    try:
        return end - duration(text)
    except OverflowError:
        raise _too_long(text) from None


def _too_long(text: str) -> ValueError:
    return ValueError(f"{text!r} is longer than anybody waits")
