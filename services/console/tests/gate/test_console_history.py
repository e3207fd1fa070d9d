"""Metrics of the last hours as series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from writegate_console.gate.history import history_of

NOW = datetime(2100, 1, 1, tzinfo=UTC)


def samples(count: int, **values: float) -> list[dict[str, object]]:
    return [
        {"at": NOW + timedelta(seconds=10 * number), "name": name, "value": value}
        for number in range(count)
        for name, value in values.items()
    ]


def test_a_figure_without_a_row_is_none_or_zero_by_what_it_is() -> None:
    found = history_of("15m", 10, ["commands_per_second", "server_connections"], samples(2, commands_per_second=3.0))
    assert found.values == {"commands_per_second": [3.0, 3.0], "server_connections": [None, None]}
    assert found.latest("server_connections") is None
