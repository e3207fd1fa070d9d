"""What the console's page makes of rows, figures and what people type."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from writegate.contract.targets import parse
from writegate.errors import SettingsError, WritegateError
from writegate_console import users
from writegate_console.gate.budget import Budget
from writegate_console.gate.history import of_samples
from writegate_console.gate.locks import tree
from writegate_console.gate.overview import Overview
from writegate_console.gate.parked.search import Group
from writegate_console.gate.service_rows import rows_of
from writegate_console.gate.status.screen import Depth, Screen, lanes_of, out_of
from writegate_console.web.state.cache import Kept
from writegate_console.web.state.live import Live
from writegate_console.web.views import effects
from writegate_console.web.views import format as shown
from writegate_console.web.views.actions import edited, held_until, selected_for
from writegate_console.web.views.chart import HEIGHT, chart, nice
from writegate_console.web.views.forms import filters_in, filters_of
from writegate_devkit.stack.readiness import wait_until

NOW = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.04, "0.0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],  # noqa: RUF001
)
def test_durations_are_told_in_two_units(seconds: float | None, text: str) -> None:
    assert shown.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.44, "0.4"), (3.0, "3"), (812.4, "812"), (12_345, "12,345"), (1_234_567, "1.2 M")]
)
def test_figures_are_short(value: float, text: str) -> None:
    assert shown.number(value) == text


def samples(count: int, **values: float) -> list[dict[str, object]]:
    return [
        {"at": NOW + timedelta(seconds=10 * number), "name": name, "value": value}
        for number in range(count)
        for name, value in values.items()
    ]


def test_a_figure_without_a_row_is_none_or_zero_by_what_it_is() -> None:
    found = of_samples("15m", 10, ["commands_per_second", "server_connections"], samples(2, commands_per_second=3.0))
    assert found.values == {"commands_per_second": [3.0, 3.0], "server_connections": [None, None]}
    assert found.latest("server_connections") is None


def test_a_line_is_not_drawn_where_nobody_measured() -> None:
    rows = samples(3, commands_per_second=5.0)
    later = [
        {**row, "at": NOW + timedelta(seconds=300)} | {"at": NOW + timedelta(seconds=300 + 10 * n)}
        for n, row in enumerate(rows)
    ]
    history = of_samples("15m", 10, ["commands_per_second"], [*rows, *later])
    drawn = chart("Commands", "a second", [("commands_per_second", "commands")], history)
    assert drawn.top == 5
    [line] = drawn.lines
    assert line.path.count("M") == 2
    assert line.path.startswith("M")
    assert " 0.0" in line.path, "its own top is the upper edge"


def test_a_limit_is_a_line_across_inside_the_box() -> None:
    history = of_samples("15m", 10, ["writer_connections"], samples(2, writer_connections=2.0))
    drawn = chart("Connections", "open", [("writer_connections", "writers")], history, limit=5.0)
    assert (drawn.top, drawn.limit_y) == (5, 0.0)
    empty = chart(
        "Connections", "open", [("writer_connections", "writers")], of_samples("15m", 10, ["writer_connections"], [])
    )
    assert empty.empty


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (1.1, 2), (4.9, 5), (51, 100), (1001, 2000)])
def test_the_upper_edge_is_a_round_number(value: float, top: float) -> None:
    assert nice(value) == top
    assert HEIGHT * (1 - value / top) >= 0


def locked(pid: int, *blockers: int) -> dict[str, object]:
    names = ("role", "application", "state", "transaction_seconds", "statement")
    return {"pid": pid, "blockers": list(blockers), **dict.fromkeys(names)}


def test_who_waits_stands_below_whom_it_waits_for() -> None:
    found = tree([locked(1), locked(3, 2), locked(2, 1), locked(4, 1), locked(9, 8)])
    assert [(one.pid, one.depth) for one in found] == [(1, 0), (2, 1), (3, 2), (4, 1), (9, 0)]


def test_a_ring_of_locks_is_shown_whole() -> None:
    assert sorted(one.pid for one in tree([locked(1, 2), locked(2, 1)])) == [1, 2]


def screen(holds: list[str], owner: str | None = "w1") -> Screen:
    rows = [{"service": "flights", "lane": lane, "domain": "flights", "owner": owner} for lane in range(2)]
    lanes = lanes_of(rows, {"writes.flights.1": Depth(120, 3.0)})
    out = out_of([{"service": "flights", "commands": 600, "batches": 6, "last_commit": NOW}], lanes, 60.0)
    parked = [{"service": "flights", "cause": "23514", "commands": 4, "oldest": NOW}]
    return Screen(lanes, out, [{"target": one} for one in holds], parked, [], Budget(5, 5), None)


def test_a_service_is_held_when_a_lane_of_it_is_and_no_writer_is_worse() -> None:
    [one] = rows_of(screen(["flights.1", "table:flights.flight"]))
    assert (one.state, [lane.state for lane in one.lanes]) == ("held", ["serving", "held"])
    assert (one.messages, one.parked, one.holds) == (120, 4, ["flights.1"])
    [nobody] = rows_of(screen([], owner=None))
    assert nobody.state == "no writer"


def test_what_a_hold_would_stop_is_counted() -> None:
    services = rows_of(screen([]))
    told = effects.of_hold(parse("flights.1"), services, {})
    assert told[0].startswith("1 lane of flights")
    assert "120 messages wait there now" in told[1]
    of_table = effects.of_hold(parse("table:flights.flight"), services, {"flights": ["flights.flight"]})
    assert "they are of flights." in of_table[0]


def test_what_a_replay_moves_is_counted() -> None:
    groups = [Group("flights", "flights.record_departure", "23514", 1, 7, 7)]
    assert effects.of_replay(groups)[0].startswith("1 parked command ")
    assert effects.of_drop([*groups, *groups])[0].startswith("2 parked commands will be given up")


def test_filters_are_read_from_a_query_and_become_one_again() -> None:
    found = filters_of({"service": ["flights"], "since": ["2026-01-31 14:00"], "number": ["3", "4"], "key": [" "]})
    assert found.problem is None
    assert (found.selection.service, found.selection.key, found.selection.numbers) == ("flights", None, (3, 4))
    assert found.selection.since == datetime(2026, 1, 31, 14, tzinfo=UTC)
    assert found.query == "service=flights&since=2026-01-31+14%3A00&number=3&number=4"


@pytest.mark.parametrize(
    "wrong", [{"since": ["noon"]}, {"number": ["x"]}, {"state": ["gone"]}, {"number": ["1"] * 1001}]
)
def test_filters_that_cannot_be_read_select_nothing(wrong: dict[str, list[str]]) -> None:
    found = filters_of(wrong)
    assert found.problem
    assert found.selection.numbers == ()
    with pytest.raises(ValueError, match=r"\S"):
        selected_for(found)


@pytest.mark.parametrize("query", ["number=", "cause=rejected&number=", "number=x"])
def test_none_chosen_is_not_all(query: str) -> None:
    # What the page of a list sends when no box is ticked, and as it is passed on from there.
    for one in (query, filters_in(query).query):
        assert filters_in(one).selection.numbers == (), one


def test_only_parked_ones_are_moved() -> None:
    with pytest.raises(ValueError, match="only parked commands"):
        selected_for(filters_of({"state": ["dropped"]}))


def test_an_edit_tells_what_changes() -> None:
    changes = edited({"distance": -1, "tail": "N1", "gone": None}, '{"distance": 5, "tail": "N1", "new": "x"}')
    assert [(one.field, one.before, one.after) for one in changes] == [
        ("distance", "-1", "5"),
        ("gone", "null", None),
        ("new", None, '"x"'),
    ]


@pytest.mark.parametrize("wrong", ["", "[1]", "{", "[" * 100_000])
def test_an_edit_takes_a_json_object(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        edited({}, wrong)


def test_a_hold_ends_when_it_was_said() -> None:
    assert held_until("30m", NOW) == NOW + timedelta(minutes=30)
    assert held_until("", NOW) is None
    for wrong in ("soon", "0s", "99999999999d"):
        with pytest.raises(ValueError, match=r"\S"):
            held_until(wrong, NOW)


def test_users_are_kept_as_hashes_and_read_again_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users.add(path, "ann", "operator", "a long password")
    assert "a long password" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    known = users.Users(path)
    assert known.check("ann", "a long password") == users.User("ann", "operator")
    assert known.check("ann", "another password") is None
    assert known.check("bob", "a long password") is None
    users.add(path, "ann", "reader", "another password")
    assert known.check("ann", "another password") == users.User("ann", "reader")
    users.remove(path, "ann")
    assert known.role("ann") is None
    with pytest.raises(SettingsError, match="12 characters"):
        users.add(path, "ann", "reader", "short")
    path.write_text("[]")
    with pytest.raises(SettingsError, match="no file of users"):
        users.listed(path)


def test_a_password_is_remembered_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users.add(path, "ann", "reader", "a long password")
    known = users.Users(path)
    assert known.check_again("ann", "a long password") is None
    known.remember("ann", "a long password")
    assert known.check_again("ann", "a long password") == users.User("ann", "reader")
    assert known.check_again("ann", "a wrong password") is None
    users.add(path, "ann", "reader", "another password")
    assert known.check_again("ann", "a long password") is None


def test_what_is_asked_again_at_once_is_not_made_again() -> None:
    made: list[str] = []
    now = [0.0]
    kept: Kept[str, int] = Kept(lambda key: made.append(key) or len(made), 5.0, lambda: now[0])  # type: ignore[func-returns-value]
    assert [kept.get("a"), kept.get("a"), kept.get("b")] == [1, 1, 2]
    now[0] = 6.0
    assert kept.get("a") == 3


def test_a_look_that_fails_is_told_with_what_was_seen_before() -> None:
    found: list[Overview | None] = [None]
    overview = Overview(NOW, None, [], [], [], [], [], [], [], "the broker is away")  # type: ignore[arg-type]

    def look() -> Overview:
        if found[0] is None:
            raise WritegateError("no way")
        return found[0]

    live = Live(look)
    try:
        first = live.now()
        assert (first.overview, first.database) == (None, "no way")
        found[0] = overview
        until(live, lambda: live.newest().overview is not None)
        assert live.newest().broker == "the broker is away"
        found[0] = None
        until(live, lambda: live.newest().database is not None)
        assert live.newest().overview is overview
    finally:
        live.close()


def test_a_look_that_hangs_is_told_and_keeps_nobody_waiting() -> None:
    now, hanging = [0.0], threading.Event()
    overview = Overview(NOW, None, [], [], [], [], [], [], [], None)  # type: ignore[arg-type]
    looks: list[int] = []

    def look() -> Overview:
        looks.append(1)
        if len(looks) > 1:
            hanging.wait(60)
        return overview

    live = Live(look, lambda: now[0])
    try:
        assert live.now().database is None
        until(live, lambda: len(looks) > 1)
        now[0] = 5.0
        seen = live.newest()
        assert (seen.database, seen.overview, seen.age_seconds) == ("no answer for 5 s", overview, 5.0)
    finally:
        hanging.set()
        live.close()


def until(live: Live, holds: Callable[[], bool]) -> None:
    assert wait_until(lambda: bool(live.newest()) and bool(holds()), 60)
