"""Where requests read: readers, operators and the overview each on a connection of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.deadlines import patient
from tests.offline_console import OfflineConsole, basic_headers
from writegate_console.gate.database import Row
from writegate_console.gate.reader import MOST_WAITING, Reader
from writegate_devkit.stack.readiness import wait_until

PATIENCE_SECONDS = patient(60)
SEARCHES = 40


class Searches:
    """The database: what readers ask takes until ``over`` is set, the rest no time. Everything finds nothing."""

    def __init__(self, console: OfflineConsole) -> None:
        self.over = threading.Event()
        self.waiting = 0
        self._slow = console.app.state.shared.places["reader"].reader

    def query(self, reader: Reader) -> list[Row]:
        if reader is self._slow:
            self.waiting += 1
            assert self.over.wait(PATIENCE_SECONDS)
        return []


@pytest.fixture
def searches(console: OfflineConsole, monkeypatch: pytest.MonkeyPatch) -> Iterator[Searches]:
    made = Searches(console)

    def query(reader: Reader, _: Any, parameters: Mapping[str, Any] | None) -> list[Row]:
        del parameters
        return made.query(reader)

    monkeypatch.setattr(Reader, "_query", query)
    yield made
    made.over.set()


def search(console: OfflineConsole, name: str) -> int:
    found = console.client().get("/api/v1/parked?text=x", headers=basic_headers(name))
    return found.status_code


def test_slow_searches_of_readers_delay_no_operator(console: OfflineConsole, searches: Searches) -> None:
    for name in ("olga", "rita"):  # their passwords are remembered from now on
        assert console.client().get("/api/v1/me", headers=basic_headers(name)).status_code == 200
    with ThreadPoolExecutor(SEARCHES) as threads:
        asked = [threads.submit(search, console, "rita") for _ in range(SEARCHES)]
        try:
            refused = SEARCHES - MOST_WAITING - 1
            assert wait_until(lambda: sum(done.done() for done in asked) == refused, PATIENCE_SECONDS)
            assert search(console, "olga") == 200
        finally:
            searches.over.set()
    assert searches.waiting >= 1
    assert sorted(done.result() for done in asked) == [200] * (SEARCHES - refused) + [503] * refused


def test_on_one_connection_they_would(
    console: OfflineConsole, searches: Searches, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = console.app.state.shared.places
    monkeypatch.setitem(places, "operator", places["reader"])
    with ThreadPoolExecutor(2) as threads:
        asked = threads.submit(search, console, "rita")
        assert wait_until(lambda: searches.waiting == 1, PATIENCE_SECONDS)
        other = threads.submit(search, console, "olga")
        assert not other.done()
        searches.over.set()
        assert (asked.result(), other.result()) == (200, 200)


def test_each_reads_with_a_connection_of_its_own(console: OfflineConsole) -> None:
    assert len({id(reader) for reader in console.app.state.shared.readers}) == 3
