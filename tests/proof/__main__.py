"""``python -m tests.proof``: every long check, one after the other, on the commit that is checked out.

A check that passed is not repeated for the same clean commit: an interrupted run goes on where it was. The table at the
end is in build/proof.json too, and each check's output in build/proof. Exit code 1: a check failed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from rich.console import Console

from tests.proof.checks import CHECKS, Check
from tests.proof.commands import run_command
from tests.proof.figures import read_figures
from tests.proof.record import FOLDER, RESULT, Record, Result, Tree, write_json
from tests.proof.report import figures_text, last_lines, show

_INTERRUPTED = 130  # as a shell says it


def main() -> int:
    """Run the checks; return the exit code."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 160)
    checks = [check for check in CHECKS if not options.only or check.name in options.only]
    if options.list:
        for check in checks:
            console.print(f"{check.name:12} {' '.join(check.command(quick=options.quick))}", highlight=False)
        return 0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    record = Record(Tree.read(), quick=options.quick)
    if record.tree.dirty:
        console.print("There are uncommitted changes: every check is run, and nothing is kept for the next run.")
    try:
        run_checks(record, checks, console)
    except KeyboardInterrupt:
        console.print("Interrupted: all that was started has ended. What passed on a clean commit is not repeated.")
        return _INTERRUPTED
    finally:
        write_json(RESULT, record.as_dict())
        show(record, checks, console)
        console.print(f"The same figures are in {RESULT}, each check's output in {FOLDER}.", highlight=False)
    return 0 if all(check.name in record.results and record.results[check.name].passed for check in checks) else 1


def run_checks(record: Record, checks: Sequence[Check], console: Console) -> None:
    """Run those that have not passed yet. Stop when the tree is another one: what follows would prove nothing of it."""
    for check in checks:
        command = check.command(quick=record.quick)
        if record.passed(check.name, " ".join(command)):
            console.print(f"{check.name:12} passed before, for this commit", highlight=False)
            continue
        console.print(f"{check.name:12} {' '.join(command)}", highlight=False)
        ended = run_command(command, FOLDER / f"{check.name}.log")
        if Tree.read() != record.tree:
            console.print("Files or the commit have changed while this check ran: start again.", style="red")
            return
        passed = ended.exit_code == 0
        figures = read_figures(ended.output, check.figures)
        record.add(Result(check.name, " ".join(command), passed, round(ended.seconds, 1), figures))
        if not passed:
            console.print(last_lines(ended.output), markup=False, highlight=False, soft_wrap=True)
        verdict = "passed" if passed else f"FAILED with exit code {ended.exit_code}"
        console.print(f"{'':12} {verdict} in {ended.seconds:,.0f} s: {figures_text(figures)}", highlight=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: a quarter of an hour in all")
    parser.add_argument("--only", nargs="*", choices=[check.name for check in CHECKS], help="only these checks")
    parser.add_argument("--list", action="store_true", help="run nothing: print what would be run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
