"""``python -m tests.benchmarks``: every way to write, side by side, in one run on private servers.

Writes build/bench.json. At full size it also draws the pictures and writes the tables of README.md and of
tests/benchmarks/README.md. Exit code 0: whatever went through the gate was applied exactly once.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from tests.benchmarks import report
from tests.benchmarks.growth import measure_growth
from tests.benchmarks.machine import machine
from tests.benchmarks.matrix import FULL, QUICK, SMOKE, measure_latency, measure_matrix
from tests.benchmarks.place import place_running
from tests.benchmarks.systems import SYSTEMS

_SMOKE_SYSTEMS = ("pgbench", "writegate-many")
"""One that tries several settings first, and one that goes through the gate. Neither needs what only bench installs."""


def main() -> int:
    """Measure and write; return the exit code."""
    options = _options()
    # What ends this process must end its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    console = Console()
    if options.redraw:
        _show(report.read_json(), console, publish=True)
        return 0
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{(time.monotonic() - began) / 60:5.1f} min  {text}", highlight=False)

    size = SMOKE if options.smoke else QUICK if options.quick else FULL
    wanted = options.systems or (_SMOKE_SYSTEMS if options.smoke else SYSTEMS)
    systems = [name for name in SYSTEMS if name in wanted]
    with place_running(size.scales) as place:
        say("servers run, tables are filled")
        about = machine(place)
        matrix = measure_matrix(place, size, systems, say)
        if size.latency_seconds:
            measure_latency(place, matrix, size.latency_seconds, systems, say)
        points = measure_growth(place, size.growth, say) if size.growth else []
    figures = report.as_json(about, matrix, points)
    if options.smoke:
        console.print("A smoke run: these figures mean nothing, and are kept nowhere.")
    else:
        report.write_json(figures)
        _show(figures, console, publish=size is FULL and not options.systems)
    ours = [run for run in figures["runs"] if run["system"].startswith("writegate")]
    return 0 if all(run["exact"] for run in [*ours, *points]) else 1


def _show(figures: dict[str, Any], console: Console, *, publish: bool) -> None:
    console.print(Markdown(report.page(figures)))
    if publish:
        from tests.benchmarks import plots  # noqa: PLC0415  only `make bench` at full size installs what draws

        plots.draw(figures)
        report.write_between(report.PAGE, "figures", report.page(figures))
        report.write_between(report.FRONT, "targets", report.headline_table(figures))
        console.print(f"Written to {report.PAGE}, {report.FRONT} and {plots.FOLDER}; ", end="")
    console.print(f"raw figures in {report.BUILD}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two workloads, two runs each, clean only")
    parser.add_argument("--smoke", action="store_true", help="a second of one workload: whether the benchmark runs")
    parser.add_argument("--redraw", action="store_true", help="measure nothing: draw and write what the last run found")
    parser.add_argument("--systems", nargs="*", choices=SYSTEMS, help="only these; the pages are left as they are")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
