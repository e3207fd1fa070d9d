"""A few SQLSTATEs of each kind on a live gate, and what handlers really run into: `make test-sqlstates` in small."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate
from tests.integration.site import site_of
from tests.servers import Servers
from tests.sqlstates.cases import CASES, FEW, Case
from tests.sqlstates.database_faults import FAULTS
from tests.sqlstates.run import (
    LONGEST_STOP_SECONDS,
    SERVICE,
    all_of_a_type,
    applied_in_time,
    nothing_parked_for,
    one_among_many,
    parked_alone,
    parked_count,
    refusing_gate,
    wait_applied,
)
from tests.sqlstates.services.refusing.contract import Keep, Put, Touch
from writegate import Command

LONG = "".join(Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=4500))  # an index row holds 2,704 bytes


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with refusing_gate(servers) as running:
        yield running
        running.assert_drained(SERVICE)


def test_there_are_thirty_of_all_classes() -> None:
    assert len({case.sqlstate for case in CASES}) >= 30
    assert len({case.sqlstate[:2] for case in CASES}) >= 25


@pytest.mark.timeout(300)
def test_one_refused_command_harms_only_itself(gate: Gate) -> None:
    refused = []
    for case in FEW:
        tried, command = one_among_many(gate, case)
        assert not tried.missed, tried
        refused.append((case, command))
    assert not [tried for tried in parked_alone(gate, refused) if tried.missed]
    gate.database.sql("DELETE FROM writegate.parked")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("commands", [50, 1])
@pytest.mark.parametrize("case", FEW, ids=lambda case: case.sqlstate)
def test_a_refused_type_harms_only_itself_and_nothing_is_parked(gate: Gate, case: Case, commands: int) -> None:
    tried = all_of_a_type(gate, case, commands)
    assert not tried.missed, tried


@pytest.mark.timeout(300)
def test_the_console_names_cause_command_and_what_to_do(gate: Gate, tmp_path: Path) -> None:
    alone, other = Put(account="console alone"), Put(account="console other")
    steps = [
        (alone, "correct the cause, or park or drop it (writegate deferred)"),
        (other, "correct its handler, tables or grants"),
    ]
    gate.database.sql("INSERT INTO refusing.refused VALUES ('42P01')")
    with site_of(gate, tmp_path) as site:
        client = site.client()
        for command, todo in steps:
            gate.broker.publish([command], SERVICE)

            def named(todo: str = todo) -> bool:
                page = html.unescape(client.page("/"))
                known = alone.command_id in page or other.command_id in page
                return known and todo in page and "42P01: refused with 42P01" in page

            gate.wait(named, f"the console says: {todo}", patient(30))
    gate.database.sql("DELETE FROM refusing.refused")
    assert wait_applied(gate, "console %", 2, patient(60)) == 2


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_the_database_park_nothing(gate: Gate, name: str) -> None:
    tried = nothing_parked_for(gate, name, FAULTS[name])
    assert not tried.missed, tried


REFUSED: dict[str, tuple[Command, str]] = {
    "a text that no index row can hold": (Put(account="long", text=LONG), "sqlstate-54000"),
    "a row that a policy forbids": (Put(account="forbidden"), "sqlstate-42501"),
    "a handler that goes on after an error": (Put(account="goes on", how="goes on"), "sqlstate-23505"),
    "a bug for one command": (Put(account="bug", how="bug"), "handler-failed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_one_command_parks_it(gate: Gate, name: str) -> None:
    bad, cause = REFUSED[name]
    first, last = (Put(account=f"{place} {name}") for place in ("before", "after"))
    tried = applied_in_time(gate, name, [first, bad, last], f"% {name}", 2)
    assert not tried.missed, tried
    query = "SELECT cause, message FROM writegate.parked WHERE id = %s"
    gate.wait(lambda: bool(gate.database.sql(query, [bad.command_id])), f"{name} is parked")
    [(found, message)] = gate.database.sql(query, [bad.command_id])
    assert found == cause, message


def kept(gate: Gate, account: str) -> Sequence[str]:
    return [text for (text,) in gate.database.sql("SELECT text FROM refusing.kept WHERE account = %s", [account])]


def test_keys_that_the_database_takes_for_one_are_folded_like_it_does(gate: Gate) -> None:
    """The contract and the Table say Text; the column is citext."""
    gate.broker.publish([Keep(account="A@x", text="first"), Keep(account="a@X", text="second")], SERVICE)
    gate.wait(lambda: kept(gate, "a@x") == ["second"], "the later one is kept", LONGEST_STOP_SECONDS)
    assert gate.database.value("SELECT count(*) FROM writegate.deferred WHERE task = 'refusing.keep'") == 0


CURED: dict[str, tuple[type[Command], str, str]] = {
    "an upsert on a deferrable key": (
        Keep,
        "ALTER TABLE refusing.kept DROP CONSTRAINT kept_pkey, ADD PRIMARY KEY (account) DEFERRABLE",
        "ALTER TABLE refusing.kept DROP CONSTRAINT kept_pkey, ADD PRIMARY KEY (account)",
    ),
    "a published table without replica identity": (
        Touch,
        "CREATE PUBLICATION changes FOR TABLE refusing.published",
        "DROP PUBLICATION changes",
    ),
}


@pytest.mark.parametrize("name", CURED)
def test_what_is_wrong_with_a_table_holds_the_type_until_it_is_right(gate: Gate, name: str) -> None:
    kind, break_, cure = CURED[name]
    before = parked_count(gate)
    accounts = [f"{name} {number}" for number in range(5)]
    gate.database.sql("INSERT INTO refusing.published SELECT unnest(%s::text[])", [accounts])
    gate.database.sql(break_)
    fields = {"text": "new"} if "text" in kind.model_fields else {}
    gate.broker.publish([kind.model_validate({"account": account, **fields}) for account in accounts], SERVICE)
    held = "SELECT reason FROM writegate.hold WHERE target = %s AND holder = 'writer'"
    task = f"refusing.{kind.__name__.lower()}"
    gate.wait(lambda: bool(gate.database.sql(held, [task])), f"{task} is held", LONGEST_STOP_SECONDS)
    assert "55000" in gate.database.value(held, [task])
    tried = applied_in_time(gate, name, [Put(account=f"{name} beside")], f"{name} beside", 1)
    assert not tried.missed, tried
    gate.database.sql(cure)
    waiting = "SELECT count(*) FROM writegate.deferred WHERE task = %s AND state = 'deferred'"
    gate.wait(lambda: gate.database.value(waiting, [task]) == 0, f"{task} is applied", patient(60))
    assert parked_count(gate) == before
