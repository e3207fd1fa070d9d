"""Writers under load while processes and servers die: nothing lost, nothing doubled, no key out of order."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from tests.deadlines import patient
from tests.faults.budget import Budget
from tests.integration.gate import WRITER, Gate, gate_running
from tests.integration.load import Load
from tests.servers import Servers

TAKE_OVER_SECONDS = patient(20)  # it takes 10; the rest is for a busy machine
OWNERS = "SELECT DISTINCT split_part(owner, '@', 1) FROM writegate.domain WHERE owner IS NOT NULL"


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_writers", connections=6) as running:
        yield running


@pytest.fixture
def two(gate: Gate) -> Iterator[Gate]:
    """Both writers, each serving its share of the domains."""
    for name in ("writer-1", "writer-2"):
        gate.writers.start(name, wait=False)
    gate.wait_shared("writer-1", "writer-2")
    yield gate
    gate.writers.stop_all()


def owner_of_trial(gate: Gate) -> str:
    """Return the name of the writer that holds the domain the load is for."""
    return str(gate.database.value("SELECT split_part(owner, '@', 1) FROM writegate.domain WHERE name = 'trial'"))


def test_writers_killed_at_random_moments(two: Gate) -> None:
    moments = random.Random(7)
    with Budget(two), Load(two, "killed") as load:
        for _ in range(4):
            victim = owner_of_trial(two)
            time.sleep(moments.uniform(0, 0.5))  # not a wait for anything: the moment is what is tried
            two.writers.kill(victim)
            two.writers.start(victim, wait=False)
            load.wait_applied(20)
        two.wait_shared("writer-1", "writer-2")
    load.check()
    two.assert_drained()


def test_a_stopped_writer_finishes_and_hands_over(two: Gate) -> None:
    with Budget(two), Load(two, "stopped") as load:
        for _ in range(2):
            leaver = owner_of_trial(two)
            began = time.monotonic()
            assert two.writers.stop(leaver) == 0
            assert time.monotonic() - began < patient(15)
            assert "Traceback" not in two.writers[leaver].log
            # Released, not run out: the other one need not wait for the lease.
            assert (leaver,) not in two.database.sql(OWNERS)
            load.wait_applied(20)
            two.writers.start(leaver, wait=False)
            two.wait_shared("writer-1", "writer-2")
    load.check()
    two.assert_drained()
    assert two.database.sql(OWNERS) == []


def test_the_broker_restarts(two: Gate) -> None:
    pids = {name: writer.process.pid for name, writer in two.writers.items()}
    stack = two.servers.stack
    with Budget(two), Load(two, "broker") as load:
        pid = stack.kill("rabbitmq", signal.SIGKILL)
        stack.wait_ready("rabbitmq", other_than=pid)
        load.wait_applied(20)
    load.check()
    assert {name: writer.process.pid for name, writer in two.writers.items() if writer.alive} == pids
    two.assert_drained()


def test_the_database_restarts(two: Gate) -> None:
    stack = two.servers.stack
    with Load(two, "database") as load:
        for number in (signal.SIGQUIT, signal.SIGKILL):  # an immediate shutdown, a crash
            pid = stack.kill("postgres", number)
            stack.wait_ready("postgres", other_than=pid)
            two.database.reconnect()
            load.wait_applied(20)
    load.check()
    assert all(writer.alive for writer in two.writers.values())
    two.assert_drained()


@pytest.mark.parametrize("server", ["rabbitmq", "postgres"])
def test_a_writer_stops_in_order_while_a_server_is_down(two: Gate, server: str) -> None:
    stack = two.servers.stack
    with Load(two, f"without {server}") as load:
        stack.stop(server)
        try:
            assert [two.writers.stop(name) for name in two.writers] == [0, 0]
        finally:
            stack.start(server)
            two.database.reconnect()
        if server == "rabbitmq":
            assert two.database.sql(OWNERS) == [], two.writers["writer-1"].log
        two.writers.start()
        load.wait_applied(20)
    load.check()
    two.assert_drained()


def test_a_standby_takes_over(servers: Servers) -> None:
    with gate_running(servers, "gate_standby", connections=3) as gate, Budget(gate):
        gate.writers.start("writer-1", writegate_lease_seconds=6)
        gate.writers.start("writer-2", writegate_lease_seconds=6, wait=False)
        gate.wait(lambda: gate.writers["writer-2"].state().get("standing_by") is True, "writer-2 stands by")
        with Load(gate, "standby") as load:
            gate.writers.kill("writer-1")
            began = time.monotonic()
            gate.wait(lambda: gate.writers.serving() == {"writer-2"}, "writer-2 takes over", TAKE_OVER_SECONDS)
            print(f"taken over after {time.monotonic() - began:.1f} s")  # noqa: T201  a figure for people
            load.wait_applied(20)
        load.check()
        gate.assert_drained()


def test_a_writer_without_a_slot_makes_room_and_comes_back(servers: Servers) -> None:
    with gate_running(servers, "gate_room", connections=2) as gate:
        with closing(psycopg2.connect(servers.database_url(WRITER, gate.name))):
            writer = gate.writers.start(wait=False)
            gate.wait(lambda: "control.makes_room" in writer.log, "it gives its only connection back", patient(60))
        gate.wait(lambda: "trial" in writer.serving(), "it comes back and serves", patient(60))
        assert "Traceback" not in writer.log


def test_a_standby_takes_over_from_a_frozen_writer(servers: Servers) -> None:
    """The frozen one has all connections, and closes none."""
    with gate_running(servers, "gate_frozen", connections=3) as gate, Budget(gate):
        gate.writers.start("writer-1")
        gate.writers.start("writer-2", wait=False)
        gate.wait(lambda: gate.writers["writer-2"].state().get("standing_by") is True, "writer-2 stands by")
        with Load(gate, "frozen") as load:
            gate.writers["writer-1"].process.send_signal(signal.SIGSTOP)
            gate.wait(lambda: "trial" in gate.writers["writer-2"].serving(), "writer-2 takes over", patient(60))
            load.wait_applied(20)
            gate.writers["writer-1"].process.send_signal(signal.SIGCONT)
            load.wait_applied(20)
        load.check()
        gate.assert_drained()
