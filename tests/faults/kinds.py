"""The kinds of faults. Each injects one while everybody works, and heals what does not heal by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.broker import memory_alarm
from tests.deadlines import patient
from tests.faults.rig import LEASE_SECONDS, Rig
from tests.integration.gate import WRITER

# By then a frozen writer's lease has run out, the broker has missed its heartbeats, and another one is at work.
FROZEN_SECONDS = LEASE_SECONDS + 6.0
EXTRA_WRITER = "writer-extra"


# Writers.


def kill_writer(rig: Rig) -> None:
    name = rig.victim()
    rig.gate.writers.kill(name)
    rig.start_writer(name)


def kill_writer_in_transaction(rig: Rig) -> None:
    with rig.held_up() as name:
        rig.gate.writers.kill(name)
    rig.start_writer(name)


def freeze_writer(rig: Rig) -> None:
    name = rig.victim()
    rig.signal(name, signal.SIGSTOP)
    rig.go_on(0.2, LEASE_SECONDS / 2)
    rig.signal(name, signal.SIGCONT)


def freeze_writer_past_its_lease(rig: Rig) -> None:
    name = rig.at_work()
    rig.signal(name, signal.SIGSTOP)
    rig.wait(lambda: rig.owner() != name, "another writer takes over")
    rig.go_on(0.0, 4.0)
    rig.signal(name, signal.SIGCONT)


def freeze_writer_in_transaction(rig: Rig) -> None:
    with rig.held_up() as name:
        rig.signal(name, signal.SIGSTOP)
        rig.go_on(FROZEN_SECONDS, FROZEN_SECONDS + 2.0)
    rig.wait(lambda: rig.owner() != name, "another writer takes over")
    rig.go_on(1.0, 2.0)  # the table is free: its transaction has written, and is open as long as it is frozen
    rig.signal(name, signal.SIGCONT)


def stop_writer(rig: Rig) -> None:
    """In order, while it has more than it can finish."""
    with rig.held_up() as name:
        rig.signal(name, signal.SIGTERM)
    assert rig.gate.writers[name].process.wait(patient(60)) == 0, rig.gate.writers[name].log[-3000:]
    rig.start_writer(name)


def add_writer(rig: Rig) -> None:
    """One more than planned: it takes its share, or stands by, and leaves again."""
    writer = rig.start_writer(EXTRA_WRITER)
    rig.wait(lambda: bool(writer.serving() or writer.state().get("standing_by")), "it serves or stands by")
    rig.go_on(1.0, 3.0)
    assert rig.gate.writers.stop(EXTRA_WRITER) == 0


# Publishers.


def kill_publisher(rig: Rig) -> None:
    rig.publishers.kill(rig.random.choice(list(rig.publishers.running)))


def freeze_publisher(rig: Rig) -> None:
    name = rig.random.choice(list(rig.publishers.running))
    rig.publishers.signal(name, signal.SIGSTOP)
    rig.go_on(1.0, 7.0)  # on both sides of what the broker's heartbeats allow
    rig.publishers.signal(name, signal.SIGCONT)


# The broker.


def restart_node(rig: Rig) -> None:
    node = rig.random.choice(rig.nodes)
    rig.stack.stop(node)
    rig.go_on(0.0, 2.0)
    rig.stack.start(node)


def kill_node(rig: Rig) -> None:
    node = rig.random.choice(rig.nodes)
    killed = rig.stack.kill(node, signal.SIGKILL)
    rig.stack.wait_ready(node, other_than=killed)


def restart_cluster(rig: Rig) -> None:
    rig.stack.stop(*rig.nodes)
    rig.stack.start(*rig.nodes)


def alarm_memory(rig: Rig) -> None:
    with memory_alarm(rig.servers):
        rig.go_on(1.0, 4.0)


# The database.


def end_sessions(rig: Rig) -> None:
    rig.gate.database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [WRITER])


def restart_database(rig: Rig) -> None:
    rig.stack.restart("postgres")
    rig.gate.database.reconnect()


def crash_database(rig: Rig) -> None:
    killed = rig.stack.kill("postgres", signal.SIGQUIT)
    rig.stack.wait_ready("postgres", other_than=killed)
    rig.gate.database.reconnect()


def fill_disk(rig: Rig) -> None:
    """No disk is filled: a trigger raises what the server raises then."""
    rig.gate.database.sql(
        """
        CREATE OR REPLACE FUNCTION trial.fill() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER fill BEFORE INSERT ON trial.step EXECUTE FUNCTION trial.fill();
        """
    )
    rig.go_on(1.0, 4.0)
    rig.gate.database.sql("DROP TRIGGER fill ON trial.step")


def make_read_only(rig: Rig) -> None:
    for setting in ("on", "off"):
        rig.gate.database.sql(f"ALTER SYSTEM SET default_transaction_read_only = {setting}")
        rig.gate.database.sql("SELECT pg_reload_conf()")
        rig.go_on(1.0, 4.0)


# Networks.


def delay(rig: Rig) -> None:
    for relay in rig.relays:
        relay.latency_seconds = rig.random.uniform(0.0, 0.1)
    rig.go_on(2.0, 5.0)
    for relay in rig.relays:
        relay.latency_seconds = 0.0


def reset(rig: Rig) -> None:
    for relay in rig.relays:
        relay.reset()


def half_open_to_database(rig: Rig) -> None:
    rig.database.swallow()
    rig.go_on(1.0, 8.0)
    rig.database.reset()


def half_open_to_broker(rig: Rig) -> None:
    rig.broker.swallow()
    rig.go_on(1.0, 8.0)
    rig.broker.reset()


def half_open_to_publishers(rig: Rig) -> None:
    rig.publishing.swallow()
    rig.go_on(1.0, 5.0)
    rig.publishing.reset()


def lose_answer_to_commit(rig: Rig) -> None:
    rig.database.cutting.arm()
    rig.wait(rig.database.cutting.done.is_set, "somebody commits")


Fault = Callable[[Rig], None]

KINDS: dict[str, Fault] = {
    "kill a writer": kill_writer,
    "kill a writer in a transaction": kill_writer_in_transaction,
    "freeze a writer": freeze_writer,
    "freeze a writer past its lease": freeze_writer_past_its_lease,
    "freeze a writer in a transaction past its lease": freeze_writer_in_transaction,
    "stop a writer in order": stop_writer,
    "add a writer": add_writer,
    "kill a publisher": kill_publisher,
    "freeze a publisher": freeze_publisher,
    "restart a broker node": restart_node,
    "kill a broker node": kill_node,
    "restart all broker nodes": restart_cluster,
    "memory alarm at the broker": alarm_memory,
    "end the writers' sessions": end_sessions,
    "restart the database": restart_database,
    "crash the database": crash_database,
    "disk full": fill_disk,
    "database read-only": make_read_only,
    "slow network": delay,
    "reset all connections": reset,
    "half-open to the database": half_open_to_database,
    "half-open to the broker": half_open_to_broker,
    "half-open from the publishers": half_open_to_publishers,
    "lose the answer to a COMMIT": lose_answer_to_commit,
}

# Which kind shows best that a protection is missing.
REVEALING: dict[str, str] = {
    "ledger": "lose the answer to a COMMIT",
    "acks": "kill a writer in a transaction",
    "confirms": "half-open from the publishers",
    "basic-cancel": "stop a writer in order",
    "fence": "freeze a writer in a transaction past its lease",
}
