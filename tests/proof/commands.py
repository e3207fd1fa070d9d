"""Running one command, its output in a file, and ending all that it started when this process is interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_END_SECONDS = 120.0
"""Servers are stopped in order, and directories removed, within that time; then the processes are killed."""
_POLL_SECONDS = 0.1
_COLUMNS = 160
"""The width of the tables from which figures are read."""
MAKEFILE = Path(__file__).parents[2] / "Makefile"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    seconds: float
    output: str


def run_command(command: Sequence[str], log: Path) -> Ended:
    """Run a command in a process group of its own, and return how it ended.

    When an exception such as KeyboardInterrupt arrives meanwhile, the group is ended before it goes on.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            exit_code = process.wait()
        finally:
            end_group(process)
    return Ended(exit_code, time.monotonic() - began, log.read_text(errors="replace"))


def environment() -> dict[str, str]:
    """Return the environment of a check: without the variables that the Makefile takes, which are for this process.

    make passes them on by itself: ``make proof QUICK=1`` would make each of its targets quick.
    """
    taken = set(re.findall(r"\$\(([A-Z]+)\)", MAKEFILE.read_text()))
    kept = {name: value for name, value in os.environ.items() if name not in taken and not name.startswith("MAKE")}
    kept.pop("MFLAGS", None)
    return {**kept, "COLUMNS": str(_COLUMNS)}


def end_group(process: subprocess.Popen[bytes], seconds: float = _END_SECONDS) -> None:
    """End every process of a group: in order, and after so many seconds by force. ``process`` leads the group."""
    deadline = time.monotonic() + seconds
    signalled = _signal(process, signal.SIGTERM)
    while signalled and _signal(process, 0):
        if time.monotonic() > deadline:
            _signal(process, signal.SIGKILL)
            break
        time.sleep(_POLL_SECONDS)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a group; False when none of it is left."""
    process.poll()  # a process that nobody has waited for counts as one of its group
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
