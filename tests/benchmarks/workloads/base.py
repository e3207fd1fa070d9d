"""What a workload is: commands, the statements that stand for one, and how to see from outside what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from writegate import Command
from writegate_writer import Writes

Statement = tuple[str, Sequence[Any]]
Totals = tuple[int, ...]


def nothing(_: Totals) -> bool:
    """Say that any totals are right: there is nothing in the tables that could disagree."""
    return True


@dataclass(frozen=True)
class Workload:
    """One row of the matrix: the same commands, tables and checks for every system."""

    name: str
    writes: Writes
    """The service with its set-based handlers, as the writer runs them."""
    command: Callable[[Random, bool, str], Command]
    """Makes the next command. A bad one is refused by a check constraint; the text is its note, if it has one."""
    statements: Callable[[Any], list[Statement]]
    """What a service that writes directly executes for a command, in one transaction."""
    effects: str
    """A query for the number of commands ever applied."""
    reset: str
    """Statements before a run, each by itself: what grows is emptied, what was updated is vacuumed."""
    populate: tuple[str, ...] = ()
    """Statements that fill the tables, once."""
    totals: str = "select 0"
    """A query for numbers: :attr:`agree` decides whether their changes during a run fit together."""
    agree: Callable[[Totals], bool] = nothing

    overwrites: bool = False
    """Whether a later command of a batch replaces what an earlier one wrote: then a bad one may never reach its check,
    and count as applied."""

    @property
    def service(self) -> str:
        """The name of the service that owns its tables."""
        return self.writes.service.name
