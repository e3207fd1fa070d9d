"""Sessions of others in the way of a batch: deadlocks with them are told in full, and the batch is tried again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Run

OURS = "UPDATE trial.balance SET total = total WHERE account = '{account} {row}'"
THEIRS = "UPDATE trial.balance SET total = -total WHERE account = '{account} {row}'"
GATE = 4711  # an advisory lock at which the handler waits until the outsider is where the test wants it
PATIENCE_SECONDS = patient(90)


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_outsiders") as running:
        running.writers.start()
        yield running
        running.assert_drained()


def waiting_for(gate: Gate, pattern: str) -> bool:
    query = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    return bool(gate.database.value(query, [pattern]))


def test_a_deadlock_is_counted_told_with_both_statements_and_tried_again(gate: Gate) -> None:
    account = "deadlock"
    ours, theirs = ({row: text.format(account=account, row=row) for row in "ab"} for text in (OURS, THEIRS))
    gate.database.sql("INSERT INTO trial.balance VALUES (%s, 1), (%s, 1)", [f"{account} a", f"{account} b"])
    script = f"{ours['a']}; SELECT pg_advisory_xact_lock({GATE}); {ours['b']}"
    gate.database.sql("INSERT INTO trial.script VALUES (%s, %s)", [account, script])
    with closing(gate.servers.superuser(gate.name)) as outsider, outsider.cursor() as cursor:
        # The server ends the one that looks first, once it has waited so long: the writer.
        cursor.execute("SET application_name = 'nightly job'; SET deadlock_timeout = '10min'")
        cursor.execute(f"BEGIN; {theirs['b']}")
        gate.database.sql("SELECT pg_advisory_lock(%s)", [GATE])
        gate.broker.publish([Run(account=account, name=account), Deposit(account=account, seq=1)])
        gate.wait(lambda: waiting_for(gate, f"{ours['a']}%"), "the handler waits at the gate", PATIENCE_SECONDS)
        blocked = threading.Thread(target=cursor.execute, args=[theirs["a"]])
        blocked.start()
        gate.wait(lambda: waiting_for(gate, theirs["a"]), "the outsider waits for the handler", PATIENCE_SECONDS)
        gate.database.sql("SELECT pg_advisory_unlock(%s)", [GATE])
        blocked.join(PATIENCE_SECONDS)  # it goes on because the writer was sent back
        assert not blocked.is_alive()
        gate.wait(lambda: gate.writers["writer-1"].state()["conflicts"] == 1, "it is counted", PATIENCE_SECONDS)
        assert gate.database.entries(account) == {account: []}
        cursor.execute("COMMIT")
    gate.database.wait_entries(account, 1, PATIENCE_SECONDS)
    assert gate.database.sql("SELECT total FROM trial.balance WHERE account LIKE 'deadlock _'") == [(-1,), (-1,)]
    [(labels,)] = gate.database.sql("SELECT labels FROM writegate.history WHERE name = 'conflict'")
    assert (labels["domain"], labels["sqlstate"], labels["other_application"]) == ("trial", "40P01", "nightly job")
    assert labels["statement"].endswith(ours["b"])
    assert labels["other_statement"] == theirs["a"]
    [line] = [line for line in gate.writers["writer-1"].log.splitlines() if "batch.conflict" in line]
    assert all(text in line for text in (ours["b"], theirs["a"], "nightly job", "40P01"))
    assert (
        gate.database.sql("SELECT * FROM writegate.hold") == gate.database.sql("SELECT * FROM writegate.parked") == []
    )


def test_a_lock_that_a_handler_did_not_get_in_its_time_is_told_too(gate: Gate) -> None:
    account = "timeout"
    gate.database.sql("INSERT INTO trial.balance VALUES (%s, 1)", [f"{account} a"])
    ours, theirs = (text.format(account=account, row="a") for text in (OURS, THEIRS))
    gate.database.sql("INSERT INTO trial.script VALUES (%s, %s)", [account, f"SET LOCAL lock_timeout = '2s'; {ours}"])
    before = gate.database.value("SELECT count(*) FROM writegate.history WHERE name = 'conflict'")
    with closing(gate.servers.superuser(gate.name)) as outsider, outsider.cursor() as cursor:
        cursor.execute(f"SET application_name = 'at lunch'; BEGIN; {theirs}")
        gate.broker.publish([Run(account=account, name=account), Deposit(account=account, seq=1)])
        told = "SELECT count(*) > %s FROM writegate.history WHERE name = 'conflict'"
        gate.wait(lambda: bool(gate.database.value(told, [before])), "it is told", PATIENCE_SECONDS)
        cursor.execute("COMMIT")
    gate.database.wait_entries(account, 1, PATIENCE_SECONDS)
    query = "SELECT labels FROM writegate.history WHERE name = 'conflict' ORDER BY at OFFSET %s LIMIT 1"
    labels = gate.database.value(query, [before])
    assert (labels["sqlstate"], labels["other_application"]) == ("55P03", "at lunch")
    assert labels["other_statement"].endswith(theirs)
