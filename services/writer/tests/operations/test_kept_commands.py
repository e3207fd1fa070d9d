"""Where a parked command belongs today."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.sample import LANES, Deposit, Withdraw, accounts
from writegate.contract.lanes import lane_of
from writegate.message.envelope import item_of
from writegate_writer import Writes
from writegate_writer.operations.kept_commands import Placed, place
from writegate_writer.operations.kept_rows import KeptRow
from writegate_writer.receive.delivery import NotYet

SERVICES = {"accounts": Writes(accounts, tables=[])}


def row(command: Any, **other: Any) -> KeptRow:
    item = item_of(command)
    given = KeptRow(
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
    ("other", "problem"),
    [
        ({"service": "gone"}, "its service is not installed with the writer"),
        ({"raw": b"[]"}, "no-fields"),
        ({"raw": b"\xff"}, "no-fields"),
        ({"task": None}, "no-fields"),
        ({"task": "accounts.gone"}, "unknown-task"),
        ({"raw": b'{"account": "a", "amount": 0}'}, "bad-fields"),
    ],
)
def test_a_command_without_a_place_says_why(other: dict[str, Any], problem: str) -> None:
    found = place(row(Deposit(account="a", amount=1), **other), SERVICES)
    assert isinstance(found, str)
    assert problem in found
