"""The writers of a gate, as processes: started by Celery's own command, with the libraries loaded already."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.deadlines import patient
from tests.preloaded import Program
from writegate_devkit.stack.ports import choose
from writegate_devkit.stack.readiness import wait_until

CHECKOUT = Path(__file__).parents[2]
PATIENCE_SECONDS = patient(90)
SHARING_SECONDS = patient(60)
_KILL_SECONDS = patient(10)

_open = build_opener(ProxyHandler({})).open


class Environment(Protocol):
    """Returns the environment of a writer's process, with settings of its own."""

    def __call__(self, **settings: Any) -> dict[str, str]: ...


class WriterProcess:
    """A running writer."""

    def __init__(self, name: str, process: Program, port: int, log: Path) -> None:
        self.name = name
        self.process = process
        self.address = f"127.0.0.1:{port}"
        self._log = log

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def state(self) -> dict[str, Any]:
        """Return what its ``/readyz`` answers; empty while it does not answer."""
        try:
            with _open(f"http://{self.address}/readyz", timeout=patient(2)) as answer:
                return dict(json.load(answer))
        except HTTPError as error:
            with error:
                return dict(json.load(error))
        except (URLError, OSError):
            return {}

    def metrics(self) -> list[Metric]:
        """Return its metrics as Prometheus reads them."""
        with _open(f"http://{self.address}/metrics", timeout=patient(10)) as answer:
            return list(text_string_to_metric_families(answer.read().decode()))

    def serving(self) -> set[str]:
        """Return the domains that it serves now."""
        return {name for name, domain in self.state().get("domains", {}).items() if domain["phase"] == "serving"}


class WriterProcesses(Mapping[str, WriterProcess]):
    """The writers by name, those that have ended included.

    ``prefix``: of the log files' names, as gates share a directory.
    """

    def __init__(self, prefix: str, logs: Path, environment: Environment) -> None:
        self._prefix = prefix
        self._logs = logs
        self._environment = environment
        self._processes: dict[str, WriterProcess] = {}

    def __getitem__(self, name: str) -> WriterProcess:
        return self._processes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._processes)

    def __len__(self) -> int:
        return len(self._processes)

    def start(
        self, name: str = "writer-1", *, altered: str | None = None, wait: bool = True, **settings: Any
    ) -> WriterProcess:
        """Start a writer, by default until it is ready. ``altered``: with this change of :mod:`altered`."""
        assert name not in self._processes or not self._processes[name].alive
        port = choose(("health",), {})["health"]
        log = self._logs / f"{self._prefix}-{name}.log"
        with log.open("ab") as output:
            environment = self._environment(WRITEGATE_HEALTH_PORT=str(port), **settings)
            process = Program(*self._program(name, altered), env=environment, stdout=output, stderr=output)
        writer = self._processes[name] = WriterProcess(name, process, port, log)
        if wait:
            self.wait(lambda: {"trial", "flights"} <= writer.serving(), f"{name} serves")
        return writer

    @staticmethod
    def command(name: str, altered: str | None = None) -> list[str]:
        """Return what starts a writer by itself, given the environment of one."""
        return [sys.executable, "-m", *WriterProcesses._program(name, altered)]

    @staticmethod
    def _program(name: str, altered: str | None = None) -> list[str]:
        program = ["celery"] if altered is None else ["tests.integration.altered", altered]
        return [*program, "-A", "writegate_writer.app", "worker", "--hostname", f"{name}@%h", "--loglevel", "INFO"]

    def kill(self, name: str = "writer-1") -> None:
        """Kill a writer, as a machine that fails would."""
        self[name].process.kill()
        self[name].process.wait(_KILL_SECONDS)

    def stop(self, name: str = "writer-1") -> int:
        """Stop a writer in order; return its exit code."""
        self[name].process.send_signal(signal.SIGTERM)
        return self[name].process.wait(PATIENCE_SECONDS)

    def stop_all(self) -> None:
        """Stop in order whichever writers run."""
        for name, writer in self.items():
            if writer.alive:
                self.stop(name)

    def kill_all(self) -> None:
        """Kill whichever writers run."""
        for writer in self.values():
            with suppress(ProcessLookupError):
                writer.process.kill()
            writer.process.wait(_KILL_SECONDS)

    def serving(self) -> set[str]:
        """Return the names of the running writers that serve some domain now."""
        return {name for name, writer in self.items() if writer.alive and writer.serving()}

    def wait_shared(self, domains: int, *names: str) -> None:
        """Wait until these writers, and no others, serve all domains, as evenly as their number allows."""

        def shared() -> bool:
            shares = {name: len(writer.serving()) for name, writer in self.items() if writer.alive}
            even = max(shares.values()) - min(shares.values()) <= 1
            return set(shares) == set(names) and even and sum(shares.values()) == domains

        self.wait(shared, f"{', '.join(names)} share {domains} domains evenly", SHARING_SECONDS)

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a condition holds; fail with the last lines of the writers' logs when it does not."""
        if not wait_until(condition, seconds):
            logs = "\n".join(f"--- {writer.name}\n{writer.log[-3000:]}" for writer in self.values())
            raise AssertionError(f"expected within {seconds} s: {what}\n{logs}")
