"""``python -m tests.faults.memory --commands 1000000``: a writer that has applied a million commands is no bigger.

Its resident memory is read when nothing waits, after each twentieth of the commands. In the middle of each twentieth
the broker cuts its connections: for consuming, for publishing, and for Celery's events.
"""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.deadlines import patient
from tests.faults.services.bank.contract import ACCOUNTS, Transfer
from tests.faults.services.wallets.contract import Deposit
from tests.integration.gate import WRITER, Gate, gate_running
from tests.integration.writer_processes import WriterProcess
from tests.servers import Servers, servers_running
from writegate.publishing import Publisher

SERVICES: Final = Path(__file__).parent / "services"
CONNECTIONS: Final = 5  # four slots, and one for control
BROKER_CONNECTIONS: Final = 3  # of a writer
ROUNDS: Final = 20
WARM_ROUNDS: Final = 2  # from then on it may not grow
MOST_GROWTH: Final = 0.10
CALL_COMMANDS: Final = 1000  # in one call of the publisher
WALLETS: Final = 200
BANK_EVERY: Final = 50  # one command in so many is a transfer: they are slow
PATIENCE_SECONDS: Final = patient(900)


@dataclass
class Figures:
    """Resident bytes when nothing waited, after each round; and how often the connections were cut."""

    resident: list[int] = field(default_factory=list)
    cuts: int = 0

    @property
    def growth(self) -> float:
        """By how much of what it was after the first rounds the memory has grown since."""
        warm = self.resident[WARM_ROUNDS - 1]
        return (max(self.resident[WARM_ROUNDS:]) - warm) / warm


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [kibibytes] = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(kibibytes) * 1024


def run(servers: Servers, commands: int, rounds: int = ROUNDS) -> Figures:
    """Have one writer apply so many commands, and cut its connections in the middle of each round."""
    figures = Figures()
    with gate_running(servers, "memory", CONNECTIONS, SERVICES) as gate:
        writer = gate.writers.start(wait=False, writegate_slots=CONNECTIONS - 1)
        with gate.broker.publisher("wallets") as wallets, gate.broker.publisher("bank") as bank:
            for number in range(rounds):
                half = commands // rounds // 2
                _publish(wallets, bank, half)
                _cut_connections(gate)
                figures.cuts += 1
                _publish(wallets, bank, half)
                _wait_quiet(gate, writer, (number + 1) * 2 * half)
                figures.resident.append(resident_bytes(writer.process.pid))
        assert writer.alive, writer.log[-3000:]
        gate.assert_drained("wallets")
    return figures


def _publish(wallets: Publisher, bank: Publisher, commands: int) -> None:
    for first in range(0, commands, CALL_COMMANDS):
        numbers = range(first, min(first + CALL_COMMANDS, commands))
        transfers = [number for number in numbers if number % BANK_EVERY == 0]
        bank.publish_many(
            [Transfer(source=number % ACCOUNTS, target=(number + 1) % ACCOUNTS, cents=1) for number in transfers],
            timeout=PATIENCE_SECONDS,
        )
        deposits = [number for number in numbers if number % BANK_EVERY]
        wallets.publish_many(
            [Deposit(wallet=f"w-{number % WALLETS}", seq=number, cents=1) for number in deposits],
            timeout=PATIENCE_SECONDS,
        )


def _cut_connections(gate: Gate) -> None:
    """Have the broker end all of the writer's connections, and wait until it has new ones."""

    def names() -> set[str]:
        listed = api.get(f"/vhosts/{gate.name}/connections").raise_for_status().json()
        return {connection["name"] for connection in listed if connection.get("user") == WRITER}

    def all_but(old: set[str]) -> bool:
        return len(names() - old) == BROKER_CONNECTIONS

    with gate.servers.broker_api() as api:
        gate.wait(lambda: all_but(set()), "a writer with all its connections", PATIENCE_SECONDS)
        before = names()
        for name in before:
            api.delete(f"/connections/{name}")
        gate.wait(lambda: all_but(before), "the writer connects again", PATIENCE_SECONDS)


def _wait_quiet(gate: Gate, writer: WriterProcess, commands: int) -> None:
    decided = "SELECT coalesce(sum(commands), 0) = %s FROM writegate.batch"
    gate.wait(
        lambda: bool(gate.database.value(decided, [commands])), f"{commands} commands are decided", PATIENCE_SECONDS
    )
    gate.wait(
        lambda: all(domain["waiting"] == 0 for domain in writer.state()["domains"].values()),
        "nothing waits",
        PATIENCE_SECONDS,
    )


def main() -> int:
    """Print the figures; return 1 when the writer has grown by more than a tenth."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.memory", description=__doc__)
    parser.add_argument("--commands", type=int, default=1_000_000, help="how many (default: 1,000,000)")
    commands = parser.parse_args().commands
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with servers_running() as servers:
        figures = run(servers, commands)
    for number, resident in enumerate(figures.resident, 1):
        sys.stdout.write(f"{number * commands // ROUNDS:12,} commands {resident / 1024**2:8.1f} MiB\n")
    sys.stdout.write(f"connections cut {figures.cuts} times; grown by {figures.growth:.1%}\n")
    return int(figures.growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
