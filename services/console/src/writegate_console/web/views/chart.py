"""A chart as SVG paths in a box of fixed size, from metrics. Pure; a template puts the paths into a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from writegate_console.gate.history import PERIODS, History

WIDTH, HEIGHT = 600, 120
_GAP_STEPS = 4  # a longer time without a sample is a gap in the line


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One metric. ``path``: of an SVG; ``area``: the same closed at the bottom, empty when there are several lines."""

    name: str
    label: str
    path: str
    area: str
    last: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. ``top``: the value at the upper edge; ``limit_y``: where the limit's line is, None without one."""

    title: str
    unit: str
    lines: Sequence[ChartLine]
    top: float
    limit: float | None
    limit_y: float | None
    begin: datetime | None
    end: datetime | None

    @property
    def empty(self) -> bool:
        """Whether there is no line to draw."""
        return not any(line.path for line in self.lines)


def draw(
    title: str, unit: str, metrics: Sequence[tuple[str, str]], history: History, limit: float | None = None
) -> Chart:
    """Return the chart of some metrics (names and labels) of a history; ``limit`` is drawn as a line across."""
    values = [value for name, _ in metrics for value in history.values[name] if value is not None]
    top = round_up(max([*values, limit or 0.0], default=0.0))
    end = history.at[-1] if history.at else None
    begin = end - timedelta(seconds=PERIODS[history.period]) if end else None
    lines = []
    for name, label in metrics:
        parts = _parts(history.at, history.values[name], begin, history.step_seconds, top)
        path = "".join(_path(part) for part in parts)
        area = "".join(_area(part) for part in parts) if len(metrics) == 1 else ""
        lines.append(ChartLine(name, label, path, area, history.latest(name)))
    limit_y = None if limit is None else _y(limit, top)
    return Chart(title, unit, lines, top, limit, limit_y, begin, end)


def round_up(value: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20 … that is not below a value."""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


_Point = tuple[float, float]


def _parts(
    at: Sequence[datetime], values: Sequence[float | None], begin: datetime | None, step: int, top: float
) -> list[list[_Point]]:
    parts: list[list[_Point]] = []
    before: datetime | None = None
    if begin is None:
        return parts
    whole = (at[-1] - begin).total_seconds()
    for moment, value in zip(at, values, strict=True):
        if value is None:
            continue
        if before is None or (moment - before).total_seconds() > _GAP_STEPS * step:
            parts.append([])
        before = moment
        parts[-1].append((WIDTH * (moment - begin).total_seconds() / whole, _y(value, top)))
    return [part for part in parts if len(part) > 1]


def _y(value: float, top: float) -> float:
    return HEIGHT * (1 - value / top)


def _path(part: Sequence[_Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in part)


def _area(part: Sequence[_Point]) -> str:
    return f"{_path(part)}L{part[-1][0]:.1f} {HEIGHT}L{part[0][0]:.1f} {HEIGHT}Z"
