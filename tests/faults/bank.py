"""``python -m tests.faults.bank --seconds 150``: money moves while writers, broker and database fail, and none is lost.

Eight processes publish random transfers among fifty accounts, and moves of wallets of their own. The sum of the
accounts is read all the time, and is the same at every read. In the end every accepted command was applied once, or
parked with its cause.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.deadlines import patient
from tests.faults.bank_checks import Reader, check_moves, check_no_deadlock, check_transfers, deadlocks
from tests.faults.bank_faults import ALL, PATIENCE_SECONDS, Fault, start_writer
from tests.faults.bank_publisher import Accepted, publish, read
from tests.faults.budget import Budget
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers, servers_running

SERVICES: Final = Path(__file__).parent / "services"
WRITER_CONNECTIONS: Final = 3  # two slots and one for control
DRAIN_SECONDS: Final = patient(900)


@dataclass
class Figures:
    """What was done and seen."""

    faults: Counter[str] = field(default_factory=Counter)
    transfers_accepted: int = 0
    transfers_rejected: int = 0
    moves_accepted: int = 0
    moves_rejected: int = 0
    reads_of_the_total: int = 0
    connections_most: int = 0
    connections_budget: int = 0
    types_held: int = 0


def run(servers: Servers, faults: Iterable[Fault], *, publishers: int, writers: int, seed: int) -> Figures:
    """Do business while these faults happen. Raises :class:`AssertionError` for what does not hold."""
    figures = Figures()
    with gate_running(servers, "bank", writers * WRITER_CONNECTIONS, SERVICES) as gate:
        before = deadlocks(gate)
        with Budget(gate) as budget, Reader(gate) as reader:
            for number in range(writers):
                start_writer(gate, f"writer-{number}")
            with _publishing(gate, publishers, seed) as accepted:
                _wait_progress(gate)
                for fault in faults:
                    fault(gate)
                    figures.faults[fault.__name__] += 1
                    _wait_progress(gate)
            _wait_decided(gate, accepted)
            check_no_deadlock(gate, before)
        rejected = check_transfers(gate, accepted), check_moves(gate, accepted)
        figures.types_held = sum(writer.log.count("event=type.held") for writer in gate.writers.values())
        gate.assert_drained("bank")
        gate.assert_drained("wallets")
    figures.transfers_accepted, figures.moves_accepted = len(accepted.transfers), len(accepted.moves)
    figures.transfers_rejected, figures.moves_rejected = rejected
    figures.reads_of_the_total = reader.samples
    figures.connections_most, figures.connections_budget = budget.most, gate.connections
    return figures


@contextmanager
def _publishing(gate: Gate, publishers: int, seed: int) -> Iterator[Accepted]:
    """Have processes publish as long as the block lasts; what they had accepted is known at its end."""
    accepted = Accepted()
    context = multiprocessing.get_context("spawn")  # not a copy of this process, its threads and connections
    stop = context.Event()
    urls = gate.broker.url("bank"), gate.broker.url("wallets")
    with tempfile.TemporaryDirectory() as directory:
        results = [Path(directory) / f"{number}.json" for number in range(publishers)]
        processes = [
            context.Process(target=publish, args=(urls, number, seed, stop, result), daemon=True)
            for number, result in enumerate(results)
        ]
        for process in processes:
            process.start()
        try:
            yield accepted
            stop.set()
            for process in processes:
                process.join(PATIENCE_SECONDS)
            assert [process.exitcode for process in processes] == [0] * publishers
            for result in results:
                accepted.add(read(result))
        finally:
            for process in processes:
                process.kill()
                process.join()


def _wait_progress(gate: Gate) -> None:
    """Wait until both services apply something more."""
    query = """
        SELECT (SELECT coalesce(max(position), 0) FROM bank.transfer),
               (SELECT coalesce(max(position), 0) FROM wallets.movement)
    """
    [before] = gate.database.sql(query)

    def more() -> bool:
        [now] = gate.database.sql(query)
        return all(new > old for new, old in zip(now, before, strict=True))

    gate.wait(more, "more transfers and moves", PATIENCE_SECONDS)


def _wait_decided(gate: Gate, accepted: Accepted) -> None:
    count = len(accepted.transfers) + len(accepted.moves)
    query = "SELECT count(*) >= %s FROM writegate.ledger"
    gate.wait(lambda: bool(gate.database.value(query, [count])), f"all {count} commands are decided", DRAIN_SECONDS)


def _faults_for(seconds: float, seed: int) -> Iterator[Fault]:
    """Yield random faults at random moments until the time is over."""
    random = Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(random.uniform(0, 3))  # not a wait for anything: the moment is what is tried
        fault = random.choice(ALL)
        sys.stdout.write(f"{fault.__name__}\n")
        sys.stdout.flush()
        yield fault


def main() -> int:
    """Print the figures; return 0 when everything holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.bank", description=__doc__)
    parser.add_argument("--seconds", type=float, default=150, help="for how long things fail (default: 150)")
    parser.add_argument("--seed", type=int, default=1, help="which faults and transfers (default: 1)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with servers_running() as servers:
        figures = run(servers, _faults_for(given.seconds, given.seed), publishers=8, writers=4, seed=given.seed)
    for name, value in vars(figures).items():
        sys.stdout.write(f"{name:24} {dict(value) if isinstance(value, Counter) else f'{value:,}'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
