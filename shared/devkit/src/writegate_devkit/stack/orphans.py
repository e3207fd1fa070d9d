"""Finds and ends processes of a stack whose supervisor was killed. It never touches any other process."""

from __future__ import annotations

import itertools
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from writegate_devkit.stack import broker, database
from writegate_devkit.stack.home import Home
from writegate_devkit.stack.readiness import wait_until
from writegate_devkit.stack.supervision import MARK

STOP_SECONDS = 30


@dataclass(frozen=True)
class Left:
    """A remaining process: the program's name as the system reports it, and its parent's process id."""

    name: str
    parent: int


def find(home: Home, proc: Path = Path("/proc")) -> dict[int, Left]:
    """Return the running processes of the stack by process id, its supervisor included."""
    found = {}
    for directory in proc.iterdir():
        if directory.name.isdecimal() and int(directory.name) != os.getpid() and _is_ours(directory, home):
            name, _, rest = _read(directory / "stat").decode(errors="replace").partition("(")[2].rpartition(")")
            if rest:
                found[int(directory.name)] = Left(name, int(rest.split()[1]))
    return found


def stop(home: Home) -> None:
    """End the remaining processes: first with their stop signals, after ``STOP_SECONDS`` with KILL."""
    found = find(home)
    for pid, process in found.items():
        # Children are ended by their parents: a node whose helper is taken away does not stop, it crashes.
        if process.parent not in found:
            # PostgreSQL takes TERM as "once all clients have left"; INT ends their sessions.
            _signal(pid, signal.SIGINT if process.name == "postgres" else signal.SIGTERM)
    if not wait_until(lambda: not find(home), STOP_SECONDS):
        for pid in find(home):
            _signal(pid, signal.SIGKILL)
        wait_until(lambda: not find(home), STOP_SECONDS)


def _is_ours(process: Path, home: Home) -> bool:
    if _read(process / "stat").rpartition(b") ")[2][:1] == b"Z":
        return False  # it has ended; its parent has not collected it yet
    # Processes of the current user are recognised by their environment. In some containers root cannot read that of
    # other users: the servers are recognised by their command lines, which contain the stack's directories.
    if f"{MARK}={home.state}".encode() in _read(process / "environ").split(b"\0"):
        return True
    arguments = _read(process / "cmdline").split(b"\0")
    pairs = set(itertools.pairwise(arguments))
    return (
        arguments[0] == os.fsencode(home.run / "epmd")
        or (b"-D", os.fsencode(database.directory(home))) in pairs
        or (b"-home", os.fsencode(broker.directory(home))) in pairs
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # gone meanwhile, or not ours to read


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
