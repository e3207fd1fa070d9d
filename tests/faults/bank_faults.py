"""What happens to the bank while it works. Each fault is over, and its cause mended, when its function returns."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

from tests.deadlines import patient
from tests.integration.gate import WRITER, Gate

PATIENCE_SECONDS: Final = patient(240)

_OWNER = "SELECT split_part(owner, '@', 1) FROM writegate.domain WHERE name = 'bank'"
_OWNS = "SELECT count(*) FROM writegate.domain WHERE split_part(owner, '@', 1) = %s AND lease_until > clock_timestamp()"
_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"


def start_writer(gate: Gate, name: str) -> None:
    """Start a writer whose batches are small, since a transfer takes four statements, and which nobody hurries."""
    gate.writers.start(name, wait=False, writegate_batch_commands=100, writegate_lease_seconds=6)


def kill_writer(gate: Gate) -> None:
    """The writer that makes the transfers dies, and is started again."""
    victim = _owner(gate)
    gate.writers.kill(victim)
    start_writer(gate, victim)


def freeze_writer(gate: Gate) -> None:
    """It stands still until its leases have run out, and then goes on as if nothing had happened."""
    victim = _owner(gate)
    process = gate.writers[victim].process
    process.send_signal(signal.SIGSTOP)
    try:
        gate.wait(
            lambda: gate.database.value(_OWNS, [victim]) == 0, f"the leases of {victim} run out", PATIENCE_SECONDS
        )
    finally:
        process.send_signal(signal.SIGCONT)


def end_sessions(gate: Gate) -> None:
    """The database ends every session of the writers."""
    gate.database.sql(_TERMINATE, [WRITER])


def restart_database(gate: Gate) -> None:
    """In order, so that it does not forget its count of deadlocks."""
    gate.servers.stack.restart("postgres")
    gate.database.reconnect()


def kill_broker(gate: Gate) -> None:
    """The broker dies, and its supervisor starts it again."""
    stack = gate.servers.stack
    stack.wait_ready("rabbitmq", PATIENCE_SECONDS, other_than=stack.kill("rabbitmq", signal.SIGKILL))


Fault = Callable[[Gate], None]
ALL: Final[tuple[Fault, ...]] = (kill_writer, freeze_writer, end_sessions, restart_database, kill_broker)


def _owner(gate: Gate) -> str:
    gate.wait(lambda: gate.database.value(_OWNER) in gate.writers, "somebody makes the transfers", PATIENCE_SECONDS)
    return str(gate.database.value(_OWNER))
