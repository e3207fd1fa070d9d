"""``python -m tests.demo``: the same real flights, written directly (before, twice) and through the gate (after).

Runs on servers of its own and leaves none behind. Exit code 0: after, the end state was exact, without a deadlock and
with nothing parked.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.demo import after, before, report
from tests.demo.lock_orders import LockOrder
from tests.servers import Servers
from writegate.errors import WritegateError
from writegate_devkit.stack import Stack
from writegate_devkit.stack.programs import BASELINE

STACK, LOGS, RESULT = "demo-stack", "demo-logs", "demo.json"


def main() -> int:
    """Run both phases; return the exit code."""
    options = _options()
    # What ends this process must end its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    console = Console()
    try:
        with _servers(console, options.build) as servers, _progress(console) as progress:
            work = before.Work.of(options.flights)
            opposite, one_order = (_before(progress, servers, work, order, options.seconds) for order in LockOrder)
            phases = report.Phases(opposite, one_order, _after(progress, servers, options))
    except WritegateError as error:
        sys.exit(f"demo: {error}")
    result = options.build / RESULT
    report.write(result, phases)
    report.write_baseline(options.build / Path(BASELINE).name, phases.opposite)
    report.show(phases, console)
    console.print(f"The same figures are in {result}.")
    console.print("To watch a gate at work: `make up`. It prints where its console is, and how to log in.")
    after_ = phases.after
    return 0 if after_.exact and not after_.deadlocks and not after_.parked else 1


def _before(progress: Progress, servers: Servers, work: before.Work, order: LockOrder, seconds: float) -> report.Phase:
    task = progress.add_task(f"before: {before.CONNECTIONS} connections, {order}, seconds", total=round(seconds))
    over = threading.Event()

    def tick() -> None:
        started = time.monotonic()
        while not over.wait(0.5):
            progress.update(task, completed=min(round(time.monotonic() - started), round(seconds)))

    # The children are forked first: a thread that draws must not be in the middle of it then.
    clock = threading.Thread(target=tick, daemon=True)
    try:
        return before.run(servers, work, order, seconds=seconds, on_start=clock.start)
    finally:
        over.set()
        progress.update(task, completed=round(seconds))


def _after(progress: Progress, servers: Servers, options: argparse.Namespace) -> report.Phase:
    task = progress.add_task("after: through the gate, commands applied", total=None)
    servers.stack.start("writer-1", "writer-2")
    return after.run(
        servers,
        flights=options.flights,
        chaos=options.chaos,
        report=lambda applied, of: progress.update(task, completed=applied, total=of),
    )


@contextmanager
def _servers(console: Console, build: Path) -> Iterator[Servers]:
    """A stack of the demo's own with everything applied. It is always removed; after a failure its logs stay."""
    stack, logs = Stack((build / STACK).absolute()), build / LOGS
    stack.down(wipe=True)  # of a demo that was killed
    shutil.rmtree(logs, ignore_errors=True)
    try:
        with console.status("starting PostgreSQL and RabbitMQ"):
            stack.up(())
        yield Servers(stack)
    except BaseException:
        shutil.copytree(stack.home.logs, logs, dirs_exist_ok=True)
        console.print(f"The demo failed; the logs of its servers and writers are in {logs}.", style="red")
        raise
    finally:
        with console.status("stopping"):
            stack.down(wipe=True)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--chaos", action="store_true", help="kill writers and restart the broker on the way")
    parser.add_argument("--flights", type=int, default=100_000, help="flights to replay after (default: 100,000)")
    parser.add_argument("--seconds", type=float, default=25.0, help="how long each before lasts (default: 25)")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where results go (default: build)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
