"""From a shell: `writegate publish`, and Django's commands and database check, against a real broker and writer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.deadlines import patient
from tests.integration.gate import SERVICES, Gate, gate_running
from tests.servers import Servers
from writegate.contract.ids import new_id

NOWHERE = "amqp://user:secret@127.0.0.1:1/"


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_shell") as running:
        running.writers.start()
        yield running
        running.assert_drained()


def run(gate: Gate, module: str, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    own = {"WRITEGATE_BROKER_URL": gate.broker.url("trial"), "WRITEGATE_SPOOL_DIRECTORY": "off"}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": str(SERVICES), **own, **settings},
        input=stdin, capture_output=True, text=True, timeout=patient(120), check=False,
    )  # fmt: skip


def publish(gate: Gate, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return run(gate, "writegate", "publish", *arguments, stdin=stdin, **settings)


def deposits(account: str, *seqs: int) -> str:
    return "".join(json.dumps({"account": account, "seq": seq}) + "\n" for seq in seqs)


def test_one_command(gate: Gate) -> None:
    done = publish(gate, "trial.deposit", '{"account": "one", "seq": 1}')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("confirmed 0")
    done = publish(gate, "trial.deposit", '{"account": "one", "seq": 2}', "--wait", "60", "--json")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "applied")
    done = publish(gate, "trial.deposit", '{"account": "one", "seq": 4}', "--wait", "60")
    assert (done.returncode, done.stdout.rstrip().endswith('result {"booked":1}')) == (0, True), done.stdout
    gate.database.assert_exactly_once("one", [1, 2, 4])


def test_a_parked_command_is_a_failure_and_says_why(gate: Gate) -> None:
    done = publish(gate, "trial.deposit", '{"account": "one", "seq": 3, "amount": -1}', "--wait", "60")
    assert done.returncode == 1
    assert "parked" in done.stdout
    assert "entry_amount_check" in done.stdout


def test_a_name_that_is_not_there_is_answered_with_those_near_it(gate: Gate) -> None:
    done = publish(gate, "trial.depositt", "{}")
    assert done.returncode == 1
    assert done.stderr.startswith("writegate: no command is called 'trial.depositt': did you mean trial.deposit")


def test_without_a_broker_it_is_spooled_or_late(gate: Gate, tmp_path: Path) -> None:
    nowhere = {"WRITEGATE_BROKER_URL": NOWHERE, "WRITEGATE_PUBLISH_TIMEOUT_SECONDS": "3"}
    done = publish(gate, "trial.deposit", '{"account": "one", "seq": 9}', **nowhere)
    assert done.returncode == 3
    assert "no confirm in time" in done.stderr
    spooling = nowhere | {"WRITEGATE_SPOOL_DIRECTORY": str(tmp_path)}
    done = publish(gate, "trial.deposit", '{"account": "one", "seq": 9}', **spooling)
    assert (done.returncode, done.stdout.partition(" ")[0]) == (0, "spooled")
    assert "the next publisher of this user and broker sends it" in done.stderr


def test_a_stream_of_lines_in_order(gate: Gate) -> None:
    done = publish(gate, "trial.deposit", "--json", stdin=deposits("stream", *range(700)) + "\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["commands"] == 700
    assert "700 commands accepted" in done.stderr
    gate.database.wait_entries("stream", 700, 60)
    gate.database.assert_exactly_once("stream", range(700))


def test_what_stands_before_an_invalid_line_is_published(gate: Gate) -> None:
    stdin = deposits("broken", 1, 2) + '{"account": "broken", "seq": "x"}\n' + deposits("broken", 4)
    done = publish(gate, "trial.deposit", "-", stdin=stdin)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("writegate: line 3: trial.deposit: seq: Input should be a valid int")
    gate.database.wait_entries("broken", 2, 60)
    gate.database.assert_exactly_once("broken", [1, 2])


def test_a_line_that_is_refused_is_named(gate: Gate) -> None:
    lines = [{"account": "huge", "seq": seq, "reason": reason} for seq, reason in enumerate([None, "x" * 300_000], 1)]
    done = publish(gate, "trial.choose", stdin="".join(json.dumps(line) + "\n" for line in lines))
    assert done.returncode == 1
    assert done.stderr.startswith("writegate: line 2: trial.choose is 300")


def test_what_is_not_final_is_no_success(gate: Gate) -> None:
    gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial key=held', 'test', 'dba')")
    try:
        # The writers obey within two seconds; what is published before is applied.
        gate.wait(
            lambda: publish(gate, "trial.deposit", deposits("held", 1), "--wait", "1").returncode == 3, "it is deferred"
        )
        done = publish(gate, "trial.deposit", "--wait", "1", stdin=deposits("held", 2))
        assert (done.returncode, "line 1:" in done.stderr) == (3, True)
    finally:
        gate.database.sql("DELETE FROM writegate.hold")
    gate.wait(
        lambda: gate.database.value("SELECT count(*) FROM writegate.deferred WHERE state = 'deferred'") == 0, "applied"
    )


def test_receipts_of_a_stream_are_counted_and_parked_lines_named(gate: Gate) -> None:
    stdin = deposits("waited", *range(1, 250)) + '{"account": "waited", "seq": 250, "amount": -1}\n'
    done = publish(gate, "trial.deposit", "--wait", "60", "--json", stdin=stdin)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"commands": 250, "applied": 249, "parked": 1}
    assert done.stderr.startswith("line 250: parked ")
    gate.database.assert_exactly_once("waited", range(1, 250))


def test_a_receipt_that_does_not_come_is_a_time_out(gate: Gate) -> None:
    gate.writers.stop()
    for arguments, stdin in ((('{"account": "late", "seq": 1}',), ""), ((), deposits("late", 2))):
        done = publish(gate, "trial.deposit", *arguments, "--wait", "0.1", stdin=stdin)
        assert done.returncode == 3, done.stderr
        assert "no receipt of" in done.stderr
    gate.writers.start()
    gate.database.wait_entries("late", 2, 60)


# Django's commands.


def manage(gate: Gate, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run(gate, "django", *arguments, "--settings=tests.examples.with_django", **settings)


def test_django_publishes_from_the_shell(gate: Gate) -> None:
    done = manage(gate, "writegate_publish", "trial.deposit", '{"account": "django", "seq": 1}', "--wait=60")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("applied 0")
    done = manage(
        gate, "writegate_publish", "trial.deposit", '{"account": "django", "seq": 2, "amount": -1}', "--wait=60"
    )
    assert done.returncode == 1
    assert "entry_amount_check" in done.stderr
    done = manage(gate, "writegate_publish", "trial.deposit", '{"account": "django"}')
    assert (done.returncode, done.stderr) == (1, "CommandError: trial.deposit: seq: Field required\n")
    gate.database.assert_exactly_once("django", [1])


def test_django_says_whether_the_broker_takes_commands(gate: Gate) -> None:
    done = manage(gate, "writegate_status", "--timeout=60")
    assert (done.returncode, done.stdout) == (0, "the broker takes commands from 'trial'\n")
    done = manage(gate, "writegate_status", "--timeout=0.2", WRITEGATE_BROKER_URL=NOWHERE)
    assert done.returncode == 1
    assert "takes no commands from 'user'" in done.stderr
    done = manage(gate, "writegate_status", WRITEGATE_BROKER_URL="")
    assert "WRITEGATE_BROKER_URL is not set" in done.stderr


@pytest.fixture
def legacy(gate: Gate) -> Iterator[str]:
    """A role as a service had it before: it may write one column of a table that is the gate's now."""
    role, password = "legacy_app", new_id()
    gate.database.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'; GRANT USAGE ON SCHEMA trial TO {role}")
    gate.database.sql(f"GRANT SELECT, UPDATE (total) ON trial.balance TO {role}")
    yield password
    with closing(gate.servers.superuser(gate.name)) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_check_finds_a_database_user_that_may_still_write(gate: Gate, legacy: str) -> None:
    state = gate.servers.stack.state
    common = {
        "ENGINE": "django.db.backends.postgresql", "NAME": gate.name, "HOST": "127.0.0.1",
        "PORT": state.ports["postgres"],
    }  # fmt: skip
    users = {
        "default": ("legacy_app", legacy),
        "reading": ("writegate_reader", state.passwords["writegate_reader"]),
        "owning": ("postgres", state.passwords["postgres"]),
    }
    databases = {alias: common | {"USER": user, "PASSWORD": password} for alias, (user, password) in users.items()}
    settings = {"DATABASES": json.dumps(databases)}
    every = [f"--database={alias}" for alias in databases]
    done = manage(gate, "check", *every, **settings)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("?: (writegate.W001)")]
    assert warnings[0] == (
        "?: (writegate.W001) DATABASES['default'] connects as 'legacy_app', which may write to trial.balance"
    )
    assert warnings[1].startswith("?: (writegate.W001) DATABASES['owning'] connects as 'postgres', which may write to ")
    assert len(warnings) == 2
    assert "writegate.W001" not in manage(gate, "check", **settings).stderr, "asked of no database"
    assert manage(gate, "check", *every, "--fail-level=WARNING", **settings).returncode == 1
