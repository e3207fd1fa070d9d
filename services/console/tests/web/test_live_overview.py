"""The overview that all open pages share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from tests.deadlines import patient
from writegate.errors import WritegateError
from writegate_console.gate.overview.queries import Overview
from writegate_console.web.state.live import LiveOverview
from writegate_devkit.stack.readiness import wait_until

NOW = datetime(2100, 1, 1, tzinfo=UTC)


def test_a_reading_that_fails_is_shown_with_the_overview_of_before() -> None:
    found: list[Overview | None] = [None]
    overview = Overview(NOW, None, [], [], [], [], [], [], [], [], "the broker does not answer")  # type: ignore[arg-type]

    def read() -> Overview:
        if found[0] is None:
            raise WritegateError("no way")
        return found[0]

    live = LiveOverview(read)
    try:
        first = live.current()
        assert (first.overview, first.database) == (None, "no way")
        found[0] = overview
        until(live, lambda: live.latest().overview is not None)
        assert live.latest().broker == "the broker does not answer"
        found[0] = None
        until(live, lambda: live.latest().database is not None)
        assert live.latest().overview is overview
    finally:
        live.close()


def test_a_reading_that_hangs_is_shown_and_keeps_no_page_waiting() -> None:
    now, hanging = [0.0], threading.Event()
    overview = Overview(NOW, None, [], [], [], [], [], [], [], [], None)  # type: ignore[arg-type]
    readings: list[int] = []

    def read() -> Overview:
        readings.append(1)
        if len(readings) > 1:
            hanging.wait(patient(60))
        return overview

    live = LiveOverview(read, lambda: now[0])
    try:
        assert live.current().database is None
        until(live, lambda: len(readings) > 1)
        now[0] = 5.0
        snapshot = live.latest()
        assert (snapshot.database, snapshot.overview, snapshot.age_seconds) == ("no answer for 5 s", overview, 5.0)
    finally:
        hanging.set()
        live.close()


def until(live: LiveOverview, holds: Callable[[], bool]) -> None:
    assert wait_until(lambda: bool(live.latest()) and bool(holds()), patient(60))
