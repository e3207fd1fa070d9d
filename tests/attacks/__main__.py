"""``python -m tests.attacks``: every attack on a live gate, with a neighbour's latency as the measure.

Prints a table. Exit code 1 when an attack ended or broke something, or when the 99th percentile of the neighbour's
latency became more than twice as long as just before. What many clients send comes from a process with the lowest
priority: an attacker's processor is not the product's.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.attacks.run import Tried, try_all
from tests.attacks.table import ATTACKS
from tests.attacks.target import target_running
from tests.servers import servers_running

IDLE_SECONDS: Final = 10.0
MOST_CHARS: Final = 2000  # of what was missed: the logs that come with it are long


def main() -> int:
    """Try them; return 0 when all held."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name contains this")
    parser.add_argument("--seconds", type=float, default=IDLE_SECONDS, help="how long each is measured (default: 10)")
    given = parser.parse_args()
    chosen = [attack for attack in ATTACKS if given.only in attack.name]
    if not chosen:
        parser.error(f"no attack is called like {given.only!r}: expected part of one of {[a.name for a in ATTACKS]}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with (
        tempfile.TemporaryDirectory() as directory,
        servers_running() as servers,
        target_running(servers, Path(directory)) as target,
    ):
        tried = list(try_all(target, chosen, given.seconds))
    show(tried)
    return 1 if any(attack.missed for attack in tried) else 0


def show(tried: list[Tried]) -> None:
    """Print the table, and below it what was missed."""
    table = Table("attack", "idle p99 ms", "attacked p99 ms", "times", "what came of it")
    for attack in tried:
        table.add_row(
            attack.name,
            f"{attack.idle_seconds * 1000:.1f}",
            f"{attack.attacked_seconds * 1000:.1f}",
            f"{attack.times_idle:.1f}" if attack.idle_seconds else "-",
            "MISSED" if attack.missed else attack.note,
        )
    console = Console()
    console.print(table)
    for attack in tried:
        if attack.missed:
            console.print(f"{attack.name}: {attack.missed[:MOST_CHARS]}", markup=False)
    held = sum(not attack.missed for attack in tried)
    console.print(f"{held} attacks of {len(tried)} held, {len(tried) - held} missed")


if __name__ == "__main__":
    sys.exit(main())
