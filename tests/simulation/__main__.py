"""Run histories: ``python -m tests.simulation --seed 1234 --trace``, or ``--seeds 10000``."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.controls import CONTROLS
from tests.simulation.run import Failure, run
from tests.simulation.writers import Parts


def main() -> int:
    """Return 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--trace", action="store_true", help="print the whole history")
    parser.add_argument("--without", choices=sorted(CONTROLS), help="switch a protection off")
    given = parser.parse_args()
    parts = CONTROLS[given.without] if given.without else Parts()
    failures = 0
    for seed in range(given.seed, given.seed + given.seeds):
        outcome = run(seed, parts)
        if given.trace:
            sys.stdout.write("\n".join(outcome.history.lines()) + "\n")
        if isinstance(outcome, Failure):
            failures += 1
            sys.stdout.write(f"{outcome}\n")
    sys.stdout.write(f"{given.seeds} histories, {failures} violations\n")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
