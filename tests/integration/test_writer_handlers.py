"""Handlers that cannot do their work, or try what is not theirs: their command waits, and all comes right again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest

from flights.contract import RecordDeparture
from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Run, Split


@dataclass(frozen=True)
class Broken:
    """``sql``: what the handler runs, None: it fails by itself. ``cure``: what an operator does about it."""

    sql: str | None
    alarm: str
    cure: str


HARMLESS = "INSERT INTO trial.script VALUES (%(name)s, 'SELECT 1') ON CONFLICT (name) DO UPDATE SET sql = 'SELECT 1'"
BROKEN = {
    "a bug": Broken(None, "the handler failed: KeyError: 'a bug'", HARMLESS),
    "a table of others": Broken(
        "INSERT INTO trial.undeclared VALUES (1)",
        "42501: permission denied for table undeclared",
        "GRANT INSERT ON trial.undeclared TO writegate_service_trial",
    ),
    "Writegate's own table": Broken(
        "DELETE FROM writegate.ledger", "42501: permission denied for schema writegate", HARMLESS
    ),
    "a missing table": Broken(
        "INSERT INTO trial.missing VALUES (1)",
        "42P01: relation ",
        "CREATE TABLE trial.missing (n int); GRANT INSERT ON trial.missing TO writegate_service_trial",
    ),
    "a commit": Broken("COMMIT", "a handler tried to commit", HARMLESS),
    "a commit and more": Broken("COMMIT; BEGIN", "a handler tried to commit", HARMLESS),
    "a rollback": Broken("ROLLBACK", "the handler ended the writer's transaction", HARMLESS),
    # The next handler runs without the service's role, which went with the transaction: it is not blamed for that.
    "a rollback and more": Broken(
        "ROLLBACK; BEGIN", "a handler ended the writer's transaction and began another", HARMLESS
    ),
}


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_handlers") as running:
        running.writers.start()
        yield running
        running.assert_drained()


@pytest.mark.parametrize("name", BROKEN)
def test_its_command_waits_and_is_applied_once_it_can_be(gate: Gate, name: str) -> None:
    broken = BROKEN[name]
    if broken.sql is not None:
        gate.database.sql("INSERT INTO trial.script VALUES (%s, %s)", [name, broken.sql])
    seen = len(gate.writers["writer-1"].log)
    gate.broker.publish([Deposit(account=name, seq=0), Run(account=name, name=name), Deposit(account=name, seq=1)])
    gate.wait(lambda: broken.alarm in gate.writers["writer-1"].log[seen:], f"an alarm: {broken.alarm}")
    assert departed(gate, name) == "applied"
    assert gate.database.entries(name)[name] in ([], [0]), "what comes after it in its key waits for it"
    gate.database.sql(broken.cure, {"name": name})
    gate.database.wait_entries(name, 2)
    gate.database.assert_exactly_once(name, [0, 1])
    assert gate.database.value("SELECT count(*) FROM writegate.parked") == 0


def test_a_transaction_that_a_handler_replaced_is_not_committed(gate: Gate) -> None:
    insert = "INSERT INTO trial.entry (account, seq, amount) VALUES ('replaced', 1, 1)"
    sql = f"ROLLBACK; BEGIN; SET LOCAL ROLE writegate_service_trial; {insert}"
    gate.database.sql("INSERT INTO trial.script VALUES ('replaced', %s)", [sql])
    command = Run(account="replaced", name="replaced")
    gate.broker.publish([command])
    alarm = "a handler ended the writer's transaction and began another"
    gate.wait(lambda: alarm in gate.writers["writer-1"].log, alarm)
    assert gate.database.entries("replaced") == {"replaced": []}
    gate.database.sql("UPDATE trial.script SET sql = %s WHERE name = 'replaced'", [insert])
    gate.database.wait_entries("replaced", 1)
    assert gate.database.value("SELECT outcome FROM writegate.ledger WHERE id = %s", [command.command_id]) == "a"
    assert gate.database.entries("replaced") == {"replaced": [1]}


def departed(gate: Gate, name: str) -> str:
    """Record a departure, which is of another domain; return the outcome."""
    command = RecordDeparture(
        carrier="UA",
        number=1 + list(BROKEN).index(name),
        day=date(2013, 1, 1),
        origin="EWR",
        destination="IAH",
        distance=1400,
        scheduled_at=datetime(2013, 1, 1, 10, 15, tzinfo=UTC),
        departed_at=datetime(2013, 1, 1, 10, 17, tzinfo=UTC),
    )
    with gate.broker.publisher("flights") as publisher:
        return publisher.publish(command, receipt=True).wait(patient(20)).outcome


def test_emitting_what_cannot_be_sent_makes_its_command_wait_and_nothing_else(gate: Gate) -> None:
    seen = len(gate.writers["writer-1"].log)
    gate.broker.publish([Split(account="emits", into="k" * 513, first=0, count=1), Deposit(account="beside", seq=0)])
    alarm = "it emitted a command that cannot be sent: trial.deposit, key: expected text of at most 512 characters"
    gate.wait(lambda: alarm in gate.writers["writer-1"].log[seen:], f"an alarm: {alarm}")
    gate.database.wait_entries("beside", 1)
    assert (
        gate.database.value("SELECT count(*) FROM writegate.deferred WHERE key = 'emits' AND state = 'deferred'") == 1
    )
