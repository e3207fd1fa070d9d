"""Running the history of a seed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.history import History, Violation
from tests.simulation.world import World
from tests.simulation.writers import Parts

_LINES = 60


@dataclass
class Outcome:
    """What came of a seed."""

    seed: int
    history: History
    accepted: int
    applied: int
    seconds: float  # of simulated time


@dataclass
class Failure(Outcome):
    """Something did not hold."""

    error: BaseException

    def __str__(self) -> str:
        lines = "\n".join(self.history.lines(_LINES))
        return (
            f"seed {self.seed}: the last {_LINES} events\n{lines}\n"
            f"seed {self.seed}: {type(self.error).__name__}: {self.error}\n"
            f"again: python -m tests.simulation --seed {self.seed} --trace"
        )


def run(seed: int, parts: Parts | None = None) -> Outcome:
    """Run the history of a seed, with parts of a process replaced or not."""
    world = World(seed, parts or Parts())
    try:
        world.run()
    except (Violation, Exception) as error:  # noqa: BLE001  a bug: show how it came about
        return Failure(seed, world.history, *world.checks.figures, world.schedule.now, error)
    return Outcome(seed, world.history, *world.checks.figures, world.schedule.now)
