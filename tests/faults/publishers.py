"""The publishers' processes: started, killed, replaced and stopped."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

from tests.deadlines import patient
from tests.preloaded import Program

STOP_SECONDS = patient(120)  # a call that nobody answers is tried again until its time limits are over


class Publishers:
    """Processes of :mod:`tests.faults.publishing`. Each has a name and a history of its own: none is used again."""

    def __init__(self, directory: Path, environment: Mapping[str, str], seed: str) -> None:
        self._directory = directory
        self._environment = dict(environment)
        self._seed = seed
        self._started = 0
        self.running: dict[str, Program] = {}

    def start(self) -> str:
        """Start one; return its name."""
        self._started += 1
        name = f"publisher-{self._started}"
        with (self._directory / f"{name}.log").open("wb") as output:
            history = str(self._directory / f"{name}.jsonl")
            self.running[name] = Program(
                "tests.faults.publishing", name, history, self._seed,
                env=self._environment, stdout=output, stderr=output,
            )  # fmt: skip
        return name

    def kill(self, name: str) -> None:
        """Kill one, as a machine that fails would, and start another in its place."""
        process = self.running.pop(name)
        process.kill()
        process.wait()
        self.start()

    def signal(self, name: str, number: int) -> None:
        self.running[name].send_signal(number)

    def stop(self) -> None:
        """Have all of them end their calls, and fail when one has failed."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(STOP_SECONDS) for name, process in self.running.items()}
        assert not any(codes.values()), f"publishers failed: exit codes {codes}, see {self._directory}"

    def end(self) -> None:
        """Leave none behind."""
        for process in self.running.values():
            process.kill()
            process.wait()
