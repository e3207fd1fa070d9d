"""Handlers that do not come back: their process ends, another one serves its domains, and it comes all right again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.integration.supervised import supervised
from tests.integration.writer_processes import WriterProcess
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Run, Wreck
from writegate_writer.worker.watchdog import EXIT_CODE

SETTINGS: dict[str, Any] = {"writegate_handler_seconds": 2, "writegate_lease_seconds": 2}
# The watchdog takes 4 s to see it, and the lease of 2 s runs out; the rest is for a busy machine.
PATIENCE_SECONDS = patient(60)


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_hangs", connections=6) as running:
        yield running


def two_writers(gate: Gate) -> None:
    for name in ("writer-1", "writer-2"):
        gate.writers.start(name, wait=False, **SETTINGS)
    gate.wait_shared("writer-1", "writer-2")


def owner(gate: Gate) -> str:
    """Return the name of the writer that serves the domain of these tests."""
    return next((name for name, one in gate.writers.items() if one.alive and "trial" in one.serving()), "")


def hang(gate: Gate, account: str, how: str, unless: Path) -> WriterProcess:
    """Have a handler hang in the middle of a batch, but only once; return its writer, which has ended."""
    hung = gate.writers[owner(gate)]
    deposits = [Deposit(account=account, seq=seq) for seq in (0, 2)]
    wreck = Wreck.model_validate({"account": account, "seq": 1, "how": how, "unless": str(unless)})
    gate.broker.publish([deposits[0], wreck, deposits[1]])
    gate.wait(unless.with_name(f"{unless.name}-reached").exists, "its handler hangs", PATIENCE_SECONDS)
    unless.touch()
    gate.wait(lambda: not hung.alive, "its process ends", PATIENCE_SECONDS)
    return hung


def assert_taken_over(gate: Gate, account: str, hung: WriterProcess) -> None:
    gate.database.wait_entries(account, 3, PATIENCE_SECONDS)
    assert gate.writers[owner(gate)] is not hung
    gate.database.assert_exactly_once(account, range(3))
    assert gate.database.value("SELECT count(*) FROM writegate.parked") == 0
    gate.assert_drained()


@pytest.mark.parametrize(
    "how", [pytest.param("sleep", marks=pytest.mark.slow), pytest.param("loop", marks=pytest.mark.long)]
)
def test_a_handler_that_hangs_once_ends_its_process_and_is_applied_once(gate: Gate, how: str, tmp_path: Path) -> None:
    two_writers(gate)
    hung = hang(gate, how, how, tmp_path / "once")
    assert hung.process.returncode == EXIT_CODE
    assert "event=handler.overrun domain=trial task=trial.wreck commands=1 first=" in hung.log
    assert "writes.py" in hung.log, "where it hangs"
    assert_taken_over(gate, how, hung)


@pytest.mark.long
def test_a_handler_that_lets_no_other_thread_run_ends_its_process_too(gate: Gate, tmp_path: Path) -> None:
    two_writers(gate)
    hung = hang(gate, "match", "match", tmp_path / "once")
    assert hung.process.returncode == 1
    assert "Timeout (0:00:04)!" in hung.log
    assert_taken_over(gate, "match", hung)


@pytest.mark.slow
def test_a_statement_that_takes_too_long_holds_its_type_and_nothing_else(gate: Gate) -> None:
    writer = gate.writers.start(**SETTINGS)
    gate.database.sql("INSERT INTO trial.script VALUES ('long', 'SELECT pg_sleep(3600)')")
    run = Run(account="long", name="long")
    gate.broker.publish([run])
    gate.wait(
        lambda: 'event=type.held task=trial.run error="57014: ' in writer.log, "its type is held", PATIENCE_SECONDS
    )
    gate.broker.publish([Deposit(account="beside", seq=seq) for seq in range(20)])
    gate.database.wait_entries("beside", 20, PATIENCE_SECONDS)
    gate.database.sql("UPDATE trial.script SET sql = 'SELECT 1' WHERE name = 'long'")
    applied = "SELECT count(*) FROM writegate.ledger WHERE id = %s AND outcome = 'a'"
    gate.wait(lambda: bool(gate.database.value(applied, [run.command_id])), "it is applied", PATIENCE_SECONDS)
    assert writer.alive
    assert gate.database.value("SELECT count(*) FROM writegate.parked") == 0
    gate.database.assert_exactly_once("beside", range(20))
    gate.assert_drained()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_handler_that_always_hangs_is_cornered_and_parked(gate: Gate) -> None:
    killer = Wreck(account="always", seq=-1, how="sleep")
    deposits = [Deposit(account="always", seq=seq) for seq in range(20)]
    gate.broker.publish([*deposits[:10], killer, *deposits[10:]])
    with supervised(gate, writegate_handler_seconds=1, writegate_lease_seconds=1) as writer:
        gate.wait(lambda: bool(gate.database.parked(killer.command_id)), "parked", patient(600))
        assert gate.database.parked(killer.command_id)[killer.command_id][0] == "crash"
        gate.database.wait_entries("always", 20)
        assert writer.starts - 1 <= 10 + 3
        assert writer.log.count("event=handler.overrun") == writer.starts - 1
    gate.database.assert_exactly_once("always", range(20))
    gate.assert_drained()
