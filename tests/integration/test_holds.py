"""Holds, releases and drains as an operator types them, who has the reader role and a broker account, and no more."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Run, Step
from writegate import Command
from writegate.errors import RetryablePublishError

DEFERRED = "SELECT count(*) FROM writegate.deferred WHERE state = 'deferred'"
ACCOUNTS = [f"held-{number}" for number in range(4)]


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_holds") as running:
        running.writers.start("writer-1")
        running.writers.start("writer-2", wait=False)  # a standby
        yield running
        running.assert_drained()


@pytest.fixture(autouse=True)
def no_holds(gate: Gate) -> Iterator[None]:
    yield
    gate.database.sql("DELETE FROM writegate.hold")


def holds(gate: Gate) -> list[str]:
    return [one["target"] for one in json.loads(gate.operator.do("status", "--json"))["holds"]]


def audited(gate: Gate) -> tuple[str, str, str, str]:
    [row] = gate.database.sql(
        "SELECT who, action, target, detail->>'reason' FROM writegate.audit ORDER BY seq DESC LIMIT 1"
    )
    return row[0], row[1], row[2], row[3]


def test_a_hold_is_audited_and_ends_by_itself(gate: Gate) -> None:
    told = gate.operator.do("hold", "table:trial.entry", "--reason", "migration 12", "--for", "8s", "--by", "ada")
    assert "held table:trial.entry until" in told
    assert audited(gate) == ("ada", "hold", "table:trial.entry", "migration 12")
    assert holds(gate) == ["table:trial.entry"]
    gate.broker.publish([Deposit(account="expires", seq=0)])
    gate.wait(
        lambda: gate.database.value("SELECT count(*) FROM writegate.deferred WHERE key = 'expires'") == 1, "it waits"
    )
    gate.database.wait_entries("expires", 1)
    assert holds(gate) == []


def test_a_release_is_audited_and_a_second_one_says_that_there_is_no_hold(gate: Gate) -> None:
    gate.operator.do("hold", "trial", "key=UA 1", "--reason", "looking into it", "--by", "ada")
    assert holds(gate) == ["trial key=UA 1"]
    assert gate.operator.do("release", "trial", "key=UA 1", "--by", "bob") == "released trial key=UA 1\n"
    assert audited(gate) == ("bob", "release", "trial key=UA 1", "released")
    again = gate.operator.run("release", "trial key=UA 1")
    assert (again.returncode, "there is no hold on trial key=UA 1" in again.stderr) == (1, True), again.stderr


def test_a_reason_is_needed(gate: Gate) -> None:
    done = gate.operator.run("hold", "trial", "--reason", "")
    assert (done.returncode, "reason" in done.stderr) == (2, True), done.stderr
    assert holds(gate) == []


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("trail", "there is no such service; did you mean trial"),
        ("trial.9", "there is no such lane; did you mean trial."),
        ("trial.deposits", "there is no such command; did you mean trial.deposit"),
        ("table:entrys", "there is no such table; did you mean table:"),
        ("writegate", "writegate is how the gate is steered, nothing stops it"),
    ],
)
def test_a_target_that_does_not_exist_names_the_nearest_that_do(gate: Gate, target: str, told: str) -> None:
    for arguments in (("hold", target, "--reason", "x"), ("drain", target), ("release", target)):
        done = gate.operator.run(*arguments)
        assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert holds(gate) == []


def test_a_hold_that_cannot_be_read_stops_every_service_and_can_be_released(gate: Gate) -> None:
    gate.database.sql(
        "INSERT INTO writegate.hold (target, reason, holder) VALUES ('what is this?', 'migration 13', 'ada')"
    )
    writers = gate.writers.values()
    gate.wait(lambda: any("hold.unreadable" in one.log and "lanes.held" in one.log for one in writers), "they obey")
    gate.broker.publish([Deposit(account="unreadable", seq=0)])
    [shown] = json.loads(gate.operator.do("status", "--json"))["holds"]
    assert "NOT A TARGET" in shown["reason"]
    assert "migration 13" in shown["reason"]
    assert gate.operator.do("hold", "trial key=other", "--reason", "operators are still answered", "--for", "1s")
    assert gate.database.entries("unreadable") == {"unreadable": []}
    assert gate.operator.do("release", "what is this?") == "released what is this?\n"
    gate.database.wait_entries("unreadable", 1)


def test_the_operator_may_do_nothing_else(gate: Gate) -> None:
    done = gate.operator.run("publish", "trial.deposit", '{"account": "a", "seq": 1}')
    assert done.returncode != 0
    assert gate.database.entries("a") == {"a": []}


def test_a_handler_that_changes_a_held_table_without_saying_so_is_stopped(gate: Gate) -> None:
    """`Run` is registered with all tables of the service; here it is made to change one that it is not held for."""
    gate.database.sql("INSERT INTO trial.script VALUES ('sly', 'UPDATE trial.balance SET total = total')")
    gate.broker.publish([Deposit(account="sly", seq=0)])
    gate.database.wait_entries("sly", 1)
    gate.writers.stop_all()
    gate.writers.start("writer-1", altered="run_says_nothing")
    try:
        gate.operator.do("hold", "table:trial.balance", "--reason", "migration")
        gate.broker.publish([Run(account="runs", name="sly")])
        held = "SELECT reason FROM writegate.hold WHERE target = 'trial.run'"
        gate.wait(lambda: gate.database.sql(held) != [], "its type is held")
        assert "changed trial.balance, which is held" in gate.database.value(held)
    finally:
        gate.writers.stop_all()
        gate.writers.start("writer-1")
        gate.writers.start("writer-2", wait=False)
    gate.operator.do("release", "table:trial.balance")
    gate.wait(
        lambda: gate.database.value("SELECT count(*) FROM writegate.deferred WHERE state = 'deferred'") == 0,
        "it is run",
    )


def test_a_drain_waits_for_what_was_accepted_and_says_what_is_left(gate: Gate) -> None:
    gate.broker.publish(Deposit(account="drained", seq=seq) for seq in range(2000))
    assert gate.operator.do("drain", "trial") == "drained\n"
    assert len(gate.database.entries("drained")["drained"]) == 2000
    gate.operator.do("hold", "trial.deposit", "--reason", "a test")
    gate.broker.publish([Deposit(account="drained", seq=2000)])
    # The hold is on a command type: of the service, something waits; of the type, nothing is in work.
    gate.wait(
        lambda: gate.database.value("SELECT count(*) FROM writegate.deferred WHERE key = 'drained'") == 1, "it waits"
    )
    left = gate.operator.run("drain", "trial", "--timeout", "8s", "--json")
    assert (left.returncode, json.loads(left.stdout)) == (3, {"drained": False, "left": {"held: a test": 1}})
    assert json.loads(gate.operator.do("drain", "trial.deposit", "--json")) == {"drained": True, "left": {}}


def free(account: str) -> str:
    """Return another key: what follows a command that waits waits too, so what goes on has keys of its own."""
    return f"{account}-free"


@contextmanager
def publishing(gate: Gate, a_second: int, accounts: list[str]) -> Iterator[dict[str, int]]:
    """Publish deposits, and as many steps of other keys, until the block ends; yield how many of each there are."""
    stop, accepted = threading.Event(), dict.fromkeys(accounts, 0)
    most = 50

    def work() -> None:
        with gate.broker.publisher() as publisher:
            began = time.monotonic()
            for count in itertools.count(1):
                first = accepted[accounts[0]]
                commands: list[Command] = []
                for account in accounts:
                    commands += [Deposit(account=account, seq=seq) for seq in range(first, first + most)]
                    other = free(account)
                    commands += [Step(account=other, stream="s", seq=seq) for seq in range(first, first + most)]
                while not stop.is_set():
                    try:
                        publisher.publish_many(commands)
                        break
                    except RetryablePublishError:
                        stop.wait(0.1)
                else:
                    return
                accepted.update(dict.fromkeys(accounts, first + most))
                if stop.wait(max(0.0, began + count * len(commands) / a_second - time.monotonic())):
                    return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield accepted
    finally:
        stop.set()
        thread.join(patient(60))


def count(gate: Gate, table: str) -> int:
    return int(gate.database.value(f"SELECT count(*) FROM trial.{table} WHERE account LIKE 'held-%%'", []))


@pytest.mark.slow
def test_a_held_table_rests_under_load_while_others_go_on_and_all_is_applied_once_in_order(gate: Gate) -> None:
    with publishing(gate, 5000, ACCOUNTS) as accepted:
        gate.wait(lambda: count(gate, "entry") > 2000, "the load is applied")
        gate.operator.do("hold", "table:trial.entry", "--reason", "migration 12", "--for", "10m")
        # What is deferred was read after the hold, and so is all that comes after it: the domain is serial.
        gate.wait(lambda: gate.database.value(DEFERRED) > 0, "the hold is obeyed")
        held_at, went_on = count(gate, "entry"), count(gate, "step")
        gate.wait(lambda: count(gate, "step") > went_on + 10_000, "commands that do not touch it go on")
        assert count(gate, "entry") == held_at
        # All writers end and others take over: the hold is in the database, not in them.
        gate.writers.stop_all()
        gate.writers.start("writer-1")
        went_on = count(gate, "step")
        gate.wait(lambda: count(gate, "step") > went_on + 5_000, "they go on after the restart")
        assert count(gate, "entry") == held_at
        assert gate.operator.do("drain", "table:trial.entry") == "drained\n"
        gate.operator.do("release", "table:trial.entry")
        gate.wait(lambda: count(gate, "entry") > held_at, "what waited is applied")
    gate.wait(lambda: count(gate, "entry") >= accepted[ACCOUNTS[0]] * len(ACCOUNTS), "all is applied")
    for account in ACCOUNTS:
        gate.database.assert_exactly_once(account, range(accepted[account]))
        steps = gate.database.sql("SELECT seq FROM trial.step WHERE account = %s ORDER BY position", [free(account)])
        assert [seq for (seq,) in steps] == list(range(accepted[account]))
