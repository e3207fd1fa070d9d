"""Which parts of the first page an event brings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from writegate_console.gate.reader import DatabaseUnavailable
from writegate_console.web.routes import events


def test_charts_that_cannot_be_read_leave_the_other_parts_as_they_are_now(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        raise DatabaseUnavailable("others wait")

    monkeypatch.setattr(events, "charts_of", slow)
    monkeypatch.setattr(events, "part", lambda name, **_: name)
    for name in ("shared_state", "place_of"):
        monkeypatch.setattr(events, name, lambda _: None)
    nothing: Any = None
    snapshot: Any = SimpleNamespace(overview=object(), database=None)
    parts = events.render_parts(nothing, snapshot, "15m", nothing)
    assert set(parts) == {"banner", "headline", "services", "attention", "sessions", "audit"}
