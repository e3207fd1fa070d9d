"""The figures of all phases, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.demo.lock_orders import LockOrder
from writegate_console.gate.connections import baseline
from writegate_console.gate.connections.counts import ConnectionCounts


@dataclass(frozen=True)
class Phase:
    """What was measured in one phase. ``commands`` were committed in ``seconds``."""

    peak_connections: int
    deadlocks: int
    writes_per_s: float
    worst_wait_s: float
    exact: bool
    commands: int
    seconds: float
    parked: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, rounded to what was measured."""
        return {
            "peak_connections": self.peak_connections,
            "deadlocks": self.deadlocks,
            "writes_per_s": round(self.writes_per_s, 1),
            "worst_wait_s": round(self.worst_wait_s, 3),
            "exact": self.exact,
            "commands": self.commands,
            "parked": self.parked,
            "seconds": round(self.seconds, 1),
            **self.extra,
        }


@dataclass(frozen=True)
class Phases:
    """The three columns: written directly with opposite lock orders and with one, and through the gate."""

    opposite: Phase
    one_order: Phase
    after: Phase

    def columns(self) -> dict[str, Phase]:
        """Return the phases by heading."""
        return {
            f"before ({LockOrder.OPPOSITE})": self.opposite,
            f"before ({LockOrder.ONE})": self.one_order,
            "after": self.after,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the figures by the names they have in build/demo.json. ``before`` is with opposite lock orders."""
        return {
            "before": self.opposite.as_dict(),
            "before_one_lock_order": self.one_order.as_dict(),
            "after": self.after.as_dict(),
        }


def write_baseline(path: Path, before: Phase) -> None:
    """Write what the console of a gate compares with, in the form of `writegate connections --baseline`."""
    path.parent.mkdir(exist_ok=True)
    counts = ConnectionCounts(
        before.peak_connections, idle_in_transaction=0, waiting_for_locks=0, deadlocks=before.deadlocks
    )
    baseline.write_baseline(path, counts)


LEGEND = """\
committed writes: commands whose transaction committed
peak connections: all client connections in pg_stat_activity, counted 20 times a second without the demo's own
deadlocks: from pg_stat_database
worst wait: before, from the call to its commit, with retries (what was cut off at the end had waited so long already);
  after, from the publish call (of up to 500 commands) until the broker has confirmed it
end state exact: every row of every table is what plain Python computes from the CSV files (before: for the commands
  that were reported committed)
opposite lock orders: as the two handlers are written; one lock order: as a team writes them that knows of deadlocks"""


def show(phases: Phases, console: Console) -> None:
    """Print all phases side by side, and what the figures mean. The fair comparison comes first."""
    fair, after = phases.one_order, phases.after
    table = Table(title="The same flights, before (written directly) and after (through the gate)")
    table.add_column("")
    columns = phases.columns()
    for heading in columns:
        table.add_column(heading, justify="right")
    for name, *texts in zip(_ROWS, *map(_texts, columns.values()), strict=True):
        table.add_row(name, *texts)
    if fair.writes_per_s:
        times = after.writes_per_s / fair.writes_per_s
        console.print(
            f"The fair comparison is with one lock order: the gate commits {times:.1f} times as many writes a second, "
            f"over {after.peak_connections} connections instead of {fair.peak_connections}. It needs no such rule.",
            highlight=False,
        )
    console.print(table)
    console.print(LEGEND, style="dim", highlight=False)
    console.print(
        f"After: {after.extra['longest_lag_s']:.1f} s was the longest way from publish to commit, with services that "
        f"publish as fast as they can; {after.parked} parked; {after.extra['writers_killed']} writers killed and "
        f"{after.extra['broker_restarts']} broker restarts on the way.",
        highlight=False,
    )


_ROWS = (
    "committed writes",
    "in seconds",
    "committed writes a second",
    "peak connections",
    "deadlocks",
    "worst wait of a service",
    "end state exact",
)


def _texts(phase: Phase) -> list[str]:
    return [
        f"{phase.commands:,}",
        f"{phase.seconds:.0f}",
        f"{phase.writes_per_s:,.0f}",
        f"{phase.peak_connections}",
        f"{phase.deadlocks:,}",
        f"{phase.worst_wait_s:.2f} s",
        "yes" if phase.exact else "NO",
    ]


def write(path: Path, phases: Phases) -> None:
    """Write all phases as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(phases.as_dict(), indent=2) + "\n")
