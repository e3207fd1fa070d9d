"""What people type about parked commands, how fast they are moved, and where one belongs today."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from rich.console import Console

from tests.sample import LANES, Deposit, Withdraw, accounts
from writegate.contract.lanes import lane_of
from writegate.contract.operations import MOST_AT_ONCE, OnParked, Replay, Selection
from writegate.errors import WritegateError
from writegate.message.envelope import item_of
from writegate_console.cli.options import text_of
from writegate_console.cli.output import plain, print_table, shown
from writegate_console.cli.parked_options import moment, selection_of
from writegate_console.gate.duration import after
from writegate_console.gate.parked.fields import changed, fields_of
from writegate_console.gate.parked.moving import Moved, move
from writegate_writer import Writes
from writegate_writer.operations.pages import ParkedRow
from writegate_writer.operations.placing import Placed, place
from writegate_writer.receive.reading import NotYet

SERVICES = {"accounts": Writes(accounts, tables=[])}


class Parked:
    """So many parked commands; those of ``blocked_keys`` cannot be moved. Time passes when somebody waits."""

    def __init__(self, count: int, blocked_keys: frozenset[int] = frozenset()) -> None:
        self.left = list(range(1, count + 1))
        self.blocked_keys = blocked_keys
        self.pages: list[tuple[float, int]] = []
        self.seconds = 0.0

    def operate(self, one: OnParked) -> dict[str, Any]:
        page = [number for number in self.left if number > one.after][: one.limit]
        skipped = [number for number in page if number in self.blocked_keys]
        self.left = [number for number in self.left if number not in page or number in skipped]
        self.pages.append((self.seconds, len(page)))
        why = {"blocked_keys": len(skipped)} if skipped else {}
        return {"done": len(page) - len(skipped), "last": page[-1] if page else one.after, "skipped": why}

    def move(self, limit: int, rate: float | None = None) -> Moved:
        return move(self.operate, make, limit, rate, lambda _: None, lambda: self.seconds, self.pause)

    def pause(self, seconds: float) -> None:
        self.seconds += seconds


def make(after: int, size: int) -> OnParked:
    return Replay(selection=Selection(), after=after, limit=size, by="me", reason="x")


def test_without_a_rate_pages_are_as_large_as_may_be() -> None:
    parked = Parked(2500)
    assert parked.move(2500).done == 2500
    assert parked.pages == [(0.0, MOST_AT_ONCE), (0.0, MOST_AT_ONCE), (0.0, 500)]


def test_a_rate_is_kept_and_no_more_than_the_limit_is_looked_at() -> None:
    parked = Parked(10_000, frozenset(range(1, 100)))
    moved = parked.move(1000, rate=500)
    assert (moved.done, moved.skipped, moved.seen) == (901, {"blocked_keys": 99}, 1000)
    assert parked.pages == [(number / 4, 125) for number in range(8)]
    assert parked.seconds == 2.0


def test_it_ends_when_there_is_no_more() -> None:
    parked = Parked(10)
    assert parked.move(1000).done == 10
    assert parked.pages == [(0.0, 10), (0.0, 0)]


def test_a_page_whose_writer_died_before_it_could_tell_is_not_done_twice_and_ends_nothing() -> None:
    parked, pages = Parked(2500), 0

    def operate(one: OnParked) -> dict[str, Any]:
        nonlocal pages
        pages += 1
        return parked.operate(one) if pages != 2 else (parked.operate(one), {})[1]

    assert move(operate, make, 2500, None, lambda _: None).done == 2500
    assert parked.left == []


def row(command: Any, **other: Any) -> ParkedRow:
    item = item_of(command)
    given = ParkedRow(
        1, "accounts", 0, item.id, item.task, item.version, item.key, 5, False, "sqlstate-23514", item.fields
    )
    return replace(given, **other)


def test_a_parked_command_belongs_where_its_contract_says_today() -> None:
    found = place(row(Deposit(account="a-9", amount=1), key="as it was sent", lane=3), SERVICES)
    assert isinstance(found, Placed)
    assert (found.item.key, found.lane) == ("a-9", lane_of("a-9", LANES))
    newer = place(row(Withdraw(account="a-9", amount=1), version=4), SERVICES)
    assert isinstance(newer, Placed)
    assert isinstance(newer.command, NotYet)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"service": "gone"}, "its service is not installed with the writer"),
        ({"raw": b"[]"}, "no-fields"),
        ({"raw": b"\xff"}, "no-fields"),
        ({"task": None}, "no-fields"),
        ({"task": "accounts.gone"}, "unknown-task"),
        ({"raw": b'{"account": "a", "amount": 0}'}, "bad-fields"),
    ],
)
def test_what_cannot_be_decided_says_why(other: dict[str, Any], told: str) -> None:
    found = place(row(Deposit(account="a", amount=1), **other), SERVICES)
    assert isinstance(found, str)
    assert told in found


def test_a_selection_is_a_condition_and_words() -> None:
    selection = Selection(service="a", numbers=(1, 2), text="x" * 200)
    condition, parameters = selection.sql()
    within = "position(convert_to(%(text)s, 'UTF8') IN raw) > 0"
    assert condition == f"true AND service = %(service)s AND {within} AND seq = ANY(%(numbers)s)"
    assert parameters == {"service": "a", "numbers": [1, 2], "text": "x" * 200}
    assert str(selection) == f"service=a text={'x' * 100}… numbers=1,2"
    assert (Selection().sql(), str(Selection())) == (("true", {}), "all")


def test_fields_are_found_in_a_body_and_in_a_message() -> None:
    assert fields_of(b'{"a": 1}') == {"a": 1}
    assert fields_of(json.dumps([[], {"a": 1}, {}]).encode()) == {"a": 1}
    for raw in (b"[]", b"5", b"\xff", b"[1, 2, 3]"):
        assert fields_of(raw) is None


def test_a_field_is_set_to_json() -> None:
    assert changed({"a": 1, "b": 2}, ["a=5", 'c="x=y"']) == {"a": 5, "b": 2, "c": "x=y"}
    for fields, settings, told in (({}, ["a"], "name, = and JSON"), ({}, ["a=x"], "JSON"),
                                   (None, ["a=1"], "--fields FILE")):  # fmt: skip
        with pytest.raises(WritegateError, match=told):
            changed(fields, settings)


def test_times_are_typed_as_such_or_as_how_long_ago() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert moment("2h", now) == now - timedelta(hours=2)
    assert moment("2026-01-01T00:00:00+00:00", now) == now - timedelta(days=1)
    assert moment(None, now) is None


@pytest.mark.parametrize("wrong", ["", "a" * 1001, "\udcff"])
def test_a_reason_is_a_text_of_some_length(wrong: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a text of 1 to 1000 characters"):
        text_of("a text", 1000, least=1)(wrong)


@pytest.mark.parametrize("wrong", ["soon", "3000000d", "99999999999d"])
def test_a_time_that_no_calendar_has_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"expected a number|longer than anybody waits"):
        after(datetime.now(UTC), wrong)


def test_more_numbers_than_an_action_takes_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="numbers"):
        selection_of(list(range(MOST_AT_ONCE + 1)), *[None] * 8)


def test_nothing_that_is_shown_is_obeyed_by_a_terminal() -> None:
    assert shown("\x1b]0;title\x07 \x9b2J\r") == r"\x1b]0;title\x07 \x9b2J\x0d"
    assert plain("two\nlines\tand \u2026 \u00e9") == "two\nlines\tand \u2026 \u00e9"


def test_tables_are_cut_nowhere() -> None:
    words = ["sqlstate-23514", "flights.record_departure", "2026-01-31 14:00:00.000+00:00", "x" * 300]
    for console, lines in ((Console(file=io.StringIO()), 2), (Console(file=io.StringIO(), force_terminal=True), None)):
        print_table(console, ("cause", "command", "oldest", "message"), [words])
        told = console.file.getvalue()  # type: ignore[attr-defined]
        assert told.count("x") == 300
        assert lines is None or (told.count("\n"), all(word in told for word in words)) == (lines, True)
