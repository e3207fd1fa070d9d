"""Whose lanes could be applied in parallel, as far as declarations tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, Text

from writegate import Command, Service
from writegate.contract.command import KeyRule
from writegate_writer import Writes
from writegate_writer.handlers.domains import domains_of
from writegate_writer.provision.hints import hints_of


def table(name: str, *primary_key: str) -> Table:
    return Table(
        name, MetaData(), *(Column(column, Text, primary_key=True) for column in primary_key), Column("sum", Text)
    )


def writes(*tables: Table, keys: tuple[KeyRule, ...] = ("account",), lanes: int = 2, owning: bool = False) -> Writes:
    """A service whose commands have these keys, each of them a command of its own."""

    def command(number: int, key: KeyRule) -> type[Command]:
        class Pay(Command, key=key, name=f"pay_{number}"):
            account: str
            month: str

        return Pay

    commands = [command(number, key) for number, key in enumerate(keys)]
    return Writes(Service("bank", commands=commands, lanes=lanes, keys_own_rows=owning), tables=tables)


@pytest.mark.parametrize(
    "declared",
    [
        lambda: writes(table("a", "account"), table("b", "month", "account")),
        lambda: writes(table("a", "account", "month"), keys=(("account", "month"),)),
        lambda: writes(table("a", "account"), keys=("account", "account")),
    ],
)
def test_every_table_is_keyed_by_the_key(declared: Callable[[], Writes]) -> None:
    services = [declared()]
    (hint,) = hints_of(services, domains_of(services))
    assert hint.startswith("bank could declare keys_own_rows")
    assert "find_shared_rows" in hint


def _of_a_rule(command: Any) -> str:
    return str(command.account)


@pytest.mark.parametrize(
    "declared",
    [
        lambda: writes(table("a", "account"), lanes=1),
        lambda: writes(table("a", "account"), owning=True),
        lambda: writes(table("a", "account"), table("total", "month")),
        lambda: writes(table("a", "account"), keys=(("account", "month"),)),
        lambda: writes(table("a", "account", "month"), keys=("account", "month")),
        lambda: writes(table("a", "account"), keys=(_of_a_rule,)),
        lambda: writes(table("a", "account"), keys=(None,)),
        writes,
    ],
)
def test_nothing_is_said_of_others(declared: Callable[[], Writes]) -> None:
    services = [declared()]
    assert hints_of(services, domains_of(services)) == ()


def test_nor_of_services_that_share_a_table() -> None:
    services = [writes(table("a", "account")), Writes(Service("audit", commands=[]), tables=[table("a", "account")])]
    assert hints_of(services, domains_of(services)) == ()
