"""A process that makes load: it is started once and given its jobs, so that no run pays for imports.

``python -m tests.benchmarks.driver MODULE:CLASS ARGUMENTS``, with arguments as JSON. It writes ``ready``, then answers
each line (a job) with a line (a report) until its input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from tests.benchmarks.jobs import Job, Report

CHECKOUT = Path(__file__).parents[2]


class Load(Protocol):
    """What runs in the process. It is made with the driver's arguments and closed at the end."""

    def run(self, job: Job) -> Report:
        """Do a job and say how it went."""

    def close(self) -> None:
        """Let go of connections."""


class Driver:
    """The process, seen from the benchmark."""

    def __init__(self, load: str, arguments: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", __name__, load, json.dumps(arguments)]
        self._process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def wait_ready(self) -> None:
        """Wait until it has imported what it needs and is connected."""
        self._line()

    def start(self, job: Job) -> None:
        """Begin a job."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()

    def report(self) -> Report:
        """Wait for the end of the job."""
        return Report(**json.loads(self._line()))

    def end(self) -> None:
        """Close its input and wait."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a load process ended with {self._process.wait()}: see its output above")
        return line


def all_of(drivers: Sequence[Driver], job: Job) -> list[Report]:
    """Give each driver its share of a job, with a seed of its own; return what they say."""
    for number, driver in enumerate(drivers):
        rate = None if job.rate is None else job.rate / len(drivers)
        driver.start(Job(job.workload, job.variant, job.seconds, job.seed * 100 + number, rate, job.most))
    return [driver.report() for driver in drivers]


def main() -> None:
    """Run as the process."""
    module, _, name = sys.argv[1].partition(":")
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints is no report
    with ExitStack() as closing:
        load: Load = getattr(import_module(module), name)(**json.loads(sys.argv[2]))
        closing.callback(load.close)
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            answers.write(json.dumps(asdict(load.run(Job(**json.loads(line))))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
