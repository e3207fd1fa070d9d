"""A guard: a process that ends the servers of a test run once the run itself is gone, however it ended.

A run that is interrupted ends its servers in the tear-down of its fixtures. That is not enough: pytest-xdist ends a
worker that takes longer than some seconds for it, and a run that is killed does nothing at all. The servers are
daemons, so nothing else would end them. The guard waits until the process that started it has ended, then ends

- what runs from a directory that the run had it watch: PostgreSQL, RabbitMQ, whatever supervisord keeps running;
- what the run started with its environment: writers, publishers, a browser.
"""

from __future__ import annotations

import atexit
import os
import select
import shutil
import signal
import subprocess
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from writegate_devkit.stack.home import POINTER
from writegate_devkit.stack.readiness import wait_until
from writegate_devkit.stack.supervision import MARK

CHECKOUT = Path(__file__).parents[1]
RUN = "TESTS_RUN"  # the variable that marks the processes of a run
STOP_SECONDS = 60.0  # a machine that stops a run because it is overloaded needs them
POLL_SECONDS = 0.5


def watch(directory: Path, *, remove: bool = False) -> None:
    """Have the guard end what runs from a directory once this process is gone, and perhaps remove the directory."""
    guard = _started()
    assert guard.stdin is not None
    guard.stdin.write(f"{'remove' if remove else 'keep'} {directory}\n")
    guard.stdin.flush()


@cache
def _started() -> subprocess.Popen[str]:
    """Start the guard of this process."""
    os.environ[RUN] = uuid.uuid4().hex
    # A session of its own: an interrupt at the terminal, or of the whole process group, does not reach it.
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.guard"],
        cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    atexit.register(_dismiss, guard)
    return guard


def _dismiss(guard: subprocess.Popen[str]) -> None:
    """A run that ends in order ends after its guard, so that nothing of it is left then."""
    guard.communicate()


@dataclass(frozen=True)
class Found:
    """A process that the guard ends. ``marked``: it was started with the run's environment."""

    arguments: tuple[bytes, ...]
    parent: int
    marked: bool


def find(directories: list[Path], run: str, proc: Path = Path("/proc")) -> dict[int, Found]:
    """Return the processes of a run by process id, without the guard."""
    found = {}
    for entry in proc.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        state, _, rest = _read(entry / "stat").rpartition(b") ")[2].partition(b" ")
        if state in {b"", b"Z"}:
            continue
        arguments = tuple(_read(entry / "cmdline").split(b"\0"))
        variables = _read(entry / "environ").split(b"\0")
        marked = f"{RUN}={run}".encode() in variables
        if marked or any(_runs_from(os.fsencode(directory), arguments, variables) for directory in directories):
            found[int(entry.name)] = Found(arguments, int(rest.split()[0]), marked)
    return found


def end(directories: list[Path], run: str) -> None:
    """End the processes of a run: those that know how, in order; in the end all."""
    found = find(directories, run)
    for pid, process in found.items():
        if b"supervisor.supervisord" in process.arguments:
            _signal(pid, signal.SIGTERM)  # it stops its programs, each as that wants to be stopped
        elif process.marked:
            _signal(pid, signal.SIGKILL)
        elif process.parent not in found:  # the others are ended by their parents
            # PostgreSQL takes TERM as "once all clients have left"; INT ends their sessions.
            postgres = process.arguments[0].endswith((b"/postgres", b"postgres:"))
            _signal(pid, signal.SIGINT if postgres else signal.SIGTERM)
    if not wait_until(lambda: not find(directories, run), STOP_SECONDS):
        for pid in find(directories, run):
            _signal(pid, signal.SIGKILL)


def _runs_from(directory: bytes, arguments: tuple[bytes, ...], variables: list[bytes]) -> bool:
    """Whether a process belongs to a stack in a directory, by its environment or its command line.

    The servers run as users of their own, whose environment is closed to root in some containers.
    """
    inside = directory + b"/"
    options = {value for name, value in pairwise(arguments) if name in {b"-D", b"-home"}}
    named = {arguments[0], *options}
    return any(name.startswith(inside) for name in named) or any(
        variable.startswith(f"{MARK}=".encode() + inside) for variable in variables
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # gone meanwhile, or not ours to read


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def main() -> None:
    """Read directories until the parent is gone, then end what runs from them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent, descriptor = os.getppid(), sys.stdin.fileno()
    read = b""
    # Both are looked at: a forked child may keep the pipe open, and a parent may be gone before this line is reached.
    ended = False
    while not ended:
        ended = os.getppid() != parent
        while select.select([descriptor], [], [], 0 if ended else POLL_SECONDS)[0]:
            if not (data := os.read(descriptor, 65536)):
                ended = True
                break
            read += data
    watched = {
        Path(directory): what for what, _, directory in (line.partition(" ") for line in read.decode().splitlines())
    }
    # A stack whose servers could not live in its directory has its state elsewhere.
    pointers = [pointer for directory in watched for pointer in directory.rglob(POINTER)]
    watched |= {Path(pointer.read_text().strip()): "remove" for pointer in pointers}
    end([*watched], os.environ[RUN])
    for directory, what in watched.items():
        if what == "remove":
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
