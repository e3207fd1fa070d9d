"""Run histories: ``python -m tests.simulation --seed 1234 --trace``, or ``--seeds 10000 --jobs 2``.

Exit code 1: a guarantee was violated, or so little happened that the histories prove nothing.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.simulation.controls import CONTROLS
from tests.simulation.many import simulate_all

_SHOWN_FAILURES = 3  # of the others only the seed is printed: each can be run again
_LEAST_ACCEPTED = 20  # commands a history in the mean: histories in which nothing happens prove nothing


def main() -> int:
    """Print every violation; return 1 when there was one."""
    options = _options()
    # What ends this process must end its other processes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    seeds = range(options.seed, options.seed + options.seeds)
    failed: list[int] = []
    accepted = 0
    for result in simulate_all(seeds, options.jobs, without=options.without, trace=options.trace):
        accepted += result.accepted
        if result.trace:
            sys.stdout.write(f"{result.trace}\n")
        if result.failure is not None:
            failed.append(result.seed)
            if len(failed) <= _SHOWN_FAILURES:
                sys.stdout.write(f"{result.failure}\n")
        sys.stdout.flush()
    if failed:
        sys.stdout.write(f"seeds with a violation: {' '.join(map(str, failed))}\n")
    sys.stdout.write(f"{options.seeds:,} histories, {accepted:,} commands accepted, {len(failed)} violations\n")
    if accepted < _LEAST_ACCEPTED * options.seeds:
        sys.stdout.write(f"expected {_LEAST_ACCEPTED} accepted commands a history or more: these prove nothing\n")
        return 1
    return int(bool(failed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes run them")
    parser.add_argument("--trace", action="store_true", help="print the whole history")
    parser.add_argument("--without", choices=sorted(CONTROLS), help="switch a protection off")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
