"""Charts, from metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from writegate_console.gate.history import history_of
from writegate_console.web.views.chart import HEIGHT, draw, round_up

NOW = datetime(2100, 1, 1, tzinfo=UTC)


def samples(count: int, **values: float) -> list[dict[str, object]]:
    return [
        {"at": NOW + timedelta(seconds=10 * number), "name": name, "value": value}
        for number in range(count)
        for name, value in values.items()
    ]


def test_a_line_has_gaps_where_nothing_was_measured() -> None:
    rows = samples(3, commands_per_second=5.0)
    later = [
        {**row, "at": NOW + timedelta(seconds=300)} | {"at": NOW + timedelta(seconds=300 + 10 * n)}
        for n, row in enumerate(rows)
    ]
    history = history_of("15m", 10, ["commands_per_second"], [*rows, *later])
    drawn = draw("Commands", "a second", [("commands_per_second", "commands")], history)
    assert drawn.top == 5
    [line] = drawn.lines
    assert line.path.count("M") == 2
    assert line.path.startswith("M")
    assert " 0.0" in line.path, "its own top is the upper edge"


def test_a_limit_is_a_line_across_inside_the_box() -> None:
    history = history_of("15m", 10, ["writer_connections"], samples(2, writer_connections=2.0))
    drawn = draw("Connections", "open", [("writer_connections", "writers")], history, limit=5.0)
    assert (drawn.top, drawn.limit_y) == (5, 0.0)
    empty = draw(
        "Connections", "open", [("writer_connections", "writers")], history_of("15m", 10, ["writer_connections"], [])
    )
    assert empty.empty


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (1.1, 2), (4.9, 5), (51, 100), (1001, 2000)])
def test_the_upper_edge_is_a_round_number(value: float, top: float) -> None:
    assert round_up(value) == top
    assert HEIGHT * (1 - value / top) >= 0
