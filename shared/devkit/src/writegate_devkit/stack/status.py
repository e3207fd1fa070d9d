"""The status of a stack, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from writegate_devkit.stack.environment import CONSOLE, CONSOLE_USER
from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.stack import Stack


@dataclass(frozen=True)
class Row:
    """One program. ``state``: ready, starting (it runs and does not answer), failing (it ends at once), or stopped."""

    program: str
    state: str
    pid: int
    address: str
    log: Path


@dataclass(frozen=True)
class Console:
    """The address of the console, and the user that the stack created for it."""

    address: str
    user: str
    password: str


@dataclass(frozen=True)
class Status:
    """All programs of a stack. ``state`` is its directory; ``programs`` is empty when it was never started."""

    state: Path
    programs: tuple[Row, ...]
    console: Console | None = None

    @property
    def ready(self) -> bool:
        """Whether every program runs and answers."""
        return bool(self.programs) and all(row.state == "ready" for row in self.programs)

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Ask for the status of each program of ``stack``."""
        running = stack.running()
        try:
            declared = stack.declared()
        except StackError:
            declared = []
        rows = []
        for program in declared:
            seen = running.get(program.name)
            if seen is None or not (seen.pid or seen.failed):
                state = "stopped"
            elif seen.failed:
                state = "failing"
            else:
                state = "ready" if stack.ready(program.name) else "starting"
            pid, log = seen.pid if seen else 0, stack.log(program.name)
            rows.append(Row(program.name, state, pid, program.address, log))
        return cls(stack.home.state, tuple(rows), _console(stack, rows))

    def as_dict(self) -> dict[str, object]:
        """Return the status as values for JSON."""
        rows = [{**asdict(row), "log": str(row.log)} for row in self.programs]
        console = asdict(self.console) if self.console else None
        return {"ready": self.ready, "state": str(self.state), "programs": rows, "console": console}


def _console(stack: Stack, rows: list[Row]) -> Console | None:
    running = next((row for row in rows if row.program == CONSOLE and row.state == "ready"), None)
    if running is None:
        return None
    return Console(running.address, CONSOLE_USER, stack.state.passwords[CONSOLE_USER])
