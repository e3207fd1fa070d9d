"""Whose fault an error is."""

from __future__ import annotations

import pytest
from psycopg2 import errorcodes
from psycopg2.extensions import adapt

from writegate_writer.database.session import translated
from writegate_writer.errors import DatabaseFault, Fault, fault_of

CASES: dict[Fault, list[str | None]] = {
    Fault.COMMAND: ["22001", "22003", "22021", "22P02", "23502", "23503", "23505", "23514", "23P01"],
    Fault.CONFLICT: ["40001", "40P01", "55P03"],
    Fault.OUTAGE: [
        None, "08000", "08006", "25006", "25P03", "53100", "53200", "53300", "55000", "57014", "57P01", "57P03",
        "58030",
    ],
    Fault.DEPLOYMENT: ["42501", "42P01", "42703", "42601", "0A000", "XX000", "28000"],
    Fault.UNKNOWN: ["21000", "44000", "54000", "P0001", "ZZ001", "99999", ""],
    Fault.FENCED: ["WG001"],
}  # fmt: skip


@pytest.mark.parametrize(("fault", "sqlstate"), [(fault, state) for fault, states in CASES.items() for state in states])
def test_the_table(fault: Fault, sqlstate: str | None) -> None:
    assert fault_of(sqlstate) is fault


def test_a_text_that_the_driver_refuses_is_the_commands_own_fault() -> None:
    with pytest.raises(DatabaseFault, match="cannot contain NUL") as raised, translated():
        adapt("a\0b").getquoted()
    assert (raised.value.fault, raised.value.sqlstate) == (Fault.COMMAND, "22021")


def test_any_other_value_error_is_not() -> None:
    with pytest.raises(ValueError, match="a bug in a handler"), translated():
        raise ValueError("a bug in a handler")


def test_only_classes_22_and_23_are_ever_a_commands_fault() -> None:
    every = {code for name in dir(errorcodes) if isinstance(code := getattr(errorcodes, name), str) and len(code) == 5}
    assert len(every) > 200
    assert {code[:2] for code in every if fault_of(code) is Fault.COMMAND} == {"22", "23"}


def test_what_is_learned_about_an_error_makes_another_one() -> None:
    first = DatabaseFault("23505", "duplicate key", statement="INSERT")
    second = first.with_(fault=Fault.CONFLICT)
    third = second.with_(task="accounts.deposit")
    assert (first.fault, first.task) == (Fault.COMMAND, None)
    assert (third.fault, third.task, third.sqlstate, third.statement) == (
        Fault.CONFLICT,
        "accounts.deposit",
        "23505",
        "INSERT",
    )
    assert str(third) == "duplicate key"
