"""``python -m tests.faults``: real faults, one after the other, on servers of its own.

Exit code 1: something was violated. With ``--without`` one protection is taken out: what is violated then shows that it
is needed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.checker import Verdict
from tests.faults.cluster import cluster_running
from tests.faults.kinds import REVEALING
from tests.faults.rig import CONTROLS, Rig, keep_logs, rig_running
from tests.faults.run import Injected, by_turn, inject

KEPT = Path("build/faults")


def main() -> int:
    """Run the faults; return the exit code."""
    options = _options()
    # What ends this process must end its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    console = Console()
    kept = KEPT / (f"seed-{options.seed}" + (f"-without-{options.without}" if options.without else ""))
    shutil.rmtree(kept, ignore_errors=True)
    kinds = list(by_turn(options.seed, options.faults))
    if options.without:
        kinds.insert(0, REVEALING[options.without])
    injected: list[Injected] = []

    def report(fault: Injected) -> None:
        injected.append(fault)
        recovery = f"{fault.seconds:5.1f} s, works again after {fault.recovery_seconds:.1f} s"
        console.print(f"{len(injected):4} of {len(kinds)}  {fault.kind:48} {recovery}", highlight=False, soft_wrap=True)

    began = time.monotonic()
    console.print(f"seed {options.seed}: starting three broker nodes and PostgreSQL", highlight=False, soft_wrap=True)
    with cluster_running() as servers:
        try:
            with rig_running(servers, kept, seed=options.seed, without=options.without) as rig:
                try:
                    inject(rig, kinds, report)
                    verdict = rig.finish()
                except Exception:
                    # Shown here: taking down a broken rig may fail as well, and hide it.
                    console.print_exception()
                    raise
                table = _table(rig, verdict, injected)
        except BaseException:
            keep_logs(servers, kept)
            console.print(f"The run failed. Histories and logs are in {kept}.", style="red")
            raise
        if verdict.violations:
            keep_logs(servers, kept)
    console.print(table)
    console.print(
        f"{len(injected)} faults in {time.monotonic() - began:.0f} s, seed {options.seed}.",
        highlight=False,
        soft_wrap=True,
    )
    if not verdict.violations:
        shutil.rmtree(kept)
        return 0
    for line in verdict.violations:
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Histories and logs are in {kept}.", highlight=False, soft_wrap=True)
    return 1


def _table(rig: Rig, verdict: Verdict, injected: list[Injected]) -> Table:
    table = Table(title="Faults, and what came of the commands", show_header=False)
    for kind, times in sorted(Counter(fault.kind for fault in injected).items()):
        table.add_row(kind, str(times))
    table.add_section()
    for what, count in (
        ("commands accepted", verdict.accepted),
        ("applied", verdict.applied),
        ("parked, all of them bad", verdict.parked),
        ("deferred still", verdict.deferred),
        ("lost", len(verdict.lost)),
        ("doubled", len(verdict.doubled)),
        ("inverted", len(verdict.inverted)),
        ("deadlocks", verdict.deadlocks),
        ("transactions of one domain at once", rig.watch.collisions),
    ):
        table.add_row(what, f"{count:,}")
    table.add_row("peak connections of writers, of", f"{rig.watch.peak_connections} / {rig.gate.connections}")
    table.add_row("samples of the connections", f"{rig.watch.samples:,}")
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="which ones (default: any)")
    parser.add_argument("--without", choices=sorted(CONTROLS), help="take this protection out")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
