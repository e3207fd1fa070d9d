"""Writers that stop in the middle of a batch for longer than their lease, and go on when others have taken over."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.integration.writer_processes import WriterProcess
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Run, trial
from writegate.contract.lanes import lane_of
from writegate_devkit.stack.readiness import wait_until

# Its lease runs out after 2 s, and the broker misses its heartbeats after 4 to 6 s; the rest is for a busy machine.
PATIENCE_SECONDS = patient(60)


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_frozen", connections=6) as running:
        yield running


def publish(gate: Gate, account: str, seqs: Iterable[int]) -> None:
    gate.broker.publish(Deposit(account=account, seq=seq) for seq in seqs)


def frozen(gate: Gate, file: Path) -> WriterProcess:
    """Wait until a writer has stopped; return it."""
    gate.wait(lambda: file.exists() and bool(file.read_text()), "a writer stops", PATIENCE_SECONDS)
    pid = int(file.read_text())
    assert wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "T", PATIENCE_SECONDS)
    return next(writer for writer in gate.writers.values() if writer.process.pid == pid)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("before_transaction", marks=pytest.mark.long),
        pytest.param("before_commit", marks=pytest.mark.slow),
        pytest.param("before_ack", marks=pytest.mark.long),
    ],
)
def test_a_writer_that_was_frozen_past_its_lease_does_no_harm_and_rejoins(
    gate: Gate, moment: str, tmp_path: Path
) -> None:
    for name in ("writer-1", "writer-2"):
        settings = {"writegate_heartbeat_seconds": 2, "FROZEN": tmp_path / "frozen"}
        gate.writers.start(name, altered=f"freezes_{moment}", wait=False, **settings)
    gate.wait_shared("writer-1", "writer-2")
    before = gate.database.batches()[1]
    publish(gate, moment, range(10))
    sleeper = frozen(gate, tmp_path / "frozen")
    try:
        publish(gate, moment, range(10, 20))
        gate.database.wait_entries(moment, 20, PATIENCE_SECONDS)
        owner = gate.database.value("SELECT owner FROM writegate.domain WHERE name = 'trial'")
        assert not owner.startswith(f"{sleeper.name}@")
    finally:
        os.kill(sleeper.process.pid, signal.SIGCONT)
    publish(gate, moment, range(20, 30))
    gate.wait(lambda: "event=domain.lost domain=trial" in sleeper.log, "it learns that it has lost its domain")
    gate.wait_shared("writer-1", "writer-2")
    publish(gate, moment, range(30, 40))
    gate.database.wait_entries(moment, 40, PATIENCE_SECONDS)
    gate.database.assert_exactly_once(moment, range(40))
    assert gate.database.batches()[1] - before == 40, "what came again was recognised"
    gate.assert_drained()


READS_AND_WRITES = """
DO $$ DECLARE had bigint; BEGIN
    SELECT total INTO had FROM trial.balance WHERE account = 'shared';
    PERFORM pg_advisory_xact_lock(7);
    UPDATE trial.balance SET total = had + 1 WHERE account = 'shared';
END $$
"""
ADDS = "UPDATE trial.balance SET total = total + 1 WHERE account = 'shared'"
LEASE_IS_OVER = (
    "SELECT lease_until < clock_timestamp() - interval '6 seconds' FROM writegate.domain WHERE name = 'trial'"
)


@pytest.mark.slow
@pytest.mark.parametrize(("altered", "total"), [(None, 2), ("without_fence", 1)])
def test_the_fence_keeps_what_a_frozen_writer_has_read_true(servers: Servers, altered: str | None, total: int) -> None:
    """Two commands of different lanes change a row: the ledger knows both, and without the fence an update is lost.

    The lane of the first is held meanwhile, so that the second writer does not apply that command too.
    """
    with gate_running(servers, "gate_fence", connections=6) as gate, closing(servers.superuser(gate.name)) as holding:
        gate.database.sql("INSERT INTO trial.balance VALUES ('shared', 0)")
        gate.database.sql(
            "INSERT INTO trial.script VALUES ('reads and writes', %s), ('adds', %s)", [READS_AND_WRITES, ADDS]
        )
        first, second = (
            next(key for key in map(str, range(99)) if lane_of(key, trial.lanes) == lane) for lane in (0, 1)
        )
        holding.cursor().execute("SELECT pg_advisory_lock(7)")
        settings: dict[str, Any] = {"altered": altered, "writegate_heartbeat_seconds": 2}
        sleeper = gate.writers.start("writer-1", **settings)
        gate.broker.publish([Run(account=first, name="reads and writes")])
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        gate.wait(lambda: gate.database.value(waits) == 1, "it has read the row")
        gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial.0', 'a test', 'me')")
        sleeper.process.send_signal(signal.SIGSTOP)
        gate.broker.publish([Run(account=second, name="adds")])
        gate.writers.start("writer-2", wait=False, **settings)
        row = "SELECT total FROM trial.balance WHERE account = 'shared'"
        if altered is None:
            gate.wait(lambda: bool(gate.database.value(LEASE_IS_OVER)), "its lease is long over", PATIENCE_SECONDS)
            assert gate.database.value(row) == 0, "the other writer waits for its transaction"
        else:
            gate.wait(lambda: gate.database.value(row) == 1, "the other writer adds", PATIENCE_SECONDS)
        sleeper.process.send_signal(signal.SIGCONT)
        holding.cursor().execute("SELECT pg_advisory_unlock(7)")
        applied = "SELECT count(*) FROM writegate.ledger WHERE service = 'trial' AND outcome = 'a'"
        if altered is not None:  # else the second writer might apply both, and there is nothing to be seen
            gate.wait(lambda: gate.database.value(applied) == 2, "the first adds, too", PATIENCE_SECONDS)
        gate.database.sql("DELETE FROM writegate.hold WHERE holder = 'me'")
        gate.wait(lambda: gate.database.value(applied) == 2, "both are applied", PATIENCE_SECONDS)
        assert gate.database.value(row) == total
        gate.assert_drained()


def test_a_database_that_is_silent_makes_a_writer_let_go(servers: Servers) -> None:
    """It neither answers nor refuses: the control thread waits, and the broker would wait for acknowledgements."""
    with gate_running(servers, "gate_silent") as gate:
        writer = gate.writers.start()
        pid = gate.database.value("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'writegate-control %'")
        os.kill(pid, signal.SIGSTOP)
        try:
            gate.wait(lambda: not writer.state()["domains"], "it lets go of its domains")
            gate.broker.publish([Deposit(account="silent", seq=0)])
        finally:
            os.kill(pid, signal.SIGCONT)
        gate.database.wait_entries("silent", 1)
        gate.database.assert_exactly_once("silent", [0])
        assert writer.alive
