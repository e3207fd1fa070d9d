"""The endless feed of flights: no event is published twice, by whichever process."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from flights import feed as module
from flights.contract import RecordArrival, RecordDeparture
from flights.dataset import Event, events
from flights.feed import feed, later
from writegate import key_of


@pytest.fixture(scope="module")
def recorded() -> list[Event]:
    return list(itertools.islice(events(100), 40))


@pytest.fixture(autouse=True)
def short_year(monkeypatch: pytest.MonkeyPatch, recorded: list[Event]) -> None:
    monkeypatch.setattr(module, "events", lambda: iter(recorded))


def first_events(position: Path | None, count: int) -> list[tuple[str, str | None]]:
    return [(type(event).__name__, key_of(event)) for event in itertools.islice(feed(position), count)]


def test_the_next_process_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    position = tmp_path / "position"
    whole = first_events(None, 60)
    assert first_events(position, 25) + first_events(position, 35) == whole
    assert position.read_text() == "60\n"


def test_when_the_year_ends_the_same_flights_depart_a_year_later() -> None:
    first, second = first_events(None, 80)[:40], first_events(None, 80)[40:]
    assert [kind for kind, _ in first] == [kind for kind, _ in second]
    assert len({*first, *second}) == 80


def test_an_event_is_moved_with_all_its_times(recorded: list[Event]) -> None:
    departure = next(event for _, event in recorded if isinstance(event, RecordDeparture) and event.departed_at)
    moved = later(departure, timedelta(days=365))
    assert isinstance(moved, RecordDeparture)
    assert departure.departed_at is not None
    assert moved.departed_at == departure.departed_at + timedelta(days=365)
    assert (moved.day - departure.day, moved.scheduled_at - departure.scheduled_at) == (timedelta(days=365),) * 2
    assert moved.command_id != departure.command_id
    arrival = RecordArrival(carrier="UA", number=1, day=departure.day, origin="EWR")
    assert isinstance(later(arrival, timedelta(days=365)), RecordArrival)
