"""Durations as people type them: ``90s``, ``30m``, ``2h``, ``1d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import typer

_FORM = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Read a duration. Raises :class:`typer.BadParameter` with the forms there are."""
    match = _FORM.fullmatch(text.strip())
    if match is None or float(match["number"]) == 0:
        raise typer.BadParameter(f"{text!r}: expected a number and a unit, such as 90s, 30m, 2h or 1d")
    return timedelta(**{_UNITS[match["unit"]]: float(match["number"])})
