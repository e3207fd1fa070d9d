"""A writer under supervisord, configured as the local stack does it: whenever it ends, it is started again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.gate import CHECKOUT, PATIENCE_SECONDS, WRITER, Gate
from writegate_devkit.stack.home import Home, create
from writegate_devkit.stack.programs import Program
from writegate_devkit.stack.readiness import wait_until
from writegate_devkit.stack.supervision import Running, Supervisor

NAME = "writer-1"


class Supervised:
    """The writer, and how often it was started."""

    def __init__(self, supervisor: Supervisor, log: Path) -> None:
        self._supervisor = supervisor
        self._log = log
        self._earlier = len(self.log) if log.exists() else 0  # of another one that used this file

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def starts(self) -> int:
        """How many processes there were that reached the database."""
        return len(re.findall("control.connected", self.log[self._earlier :]))

    @property
    def running(self) -> Running:
        """What supervisord says of it."""
        return (self._supervisor.programs() or {})[NAME]


@contextmanager
def supervised(gate: Gate, *, altered: str | None = None, **settings: Any) -> Iterator[Supervised]:
    """Keep a writer running as long as the block lasts, then stop it in order."""
    state = gate.servers.stack.home.state / f"{gate.name}-supervised"
    home = Home(CHECKOUT, state, state)
    create(home)
    own = {
        name: value
        for name, value in gate.environment(WRITER, **settings).items()
        if name.startswith("WRITEGATE_") or name == "PYTHONPATH"
    }
    supervisor = Supervisor(home)
    writer = Supervised(supervisor, home.logs / f"{NAME}.log")
    supervisor.start([Program(NAME, tuple(gate.writers.command(NAME, altered)), "", own, CHECKOUT, priority=1)])
    try:
        supervisor.start_program(NAME)
        yield writer
        supervisor.stop_program(NAME)
        assert wait_until(lambda: writer.running.state == "STOPPED", PATIENCE_SECONDS), writer.log
    finally:
        supervisor.shut_down()
        assert wait_until(lambda: not supervisor.pid_file.exists(), PATIENCE_SECONDS)
