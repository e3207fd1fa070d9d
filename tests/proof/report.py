"""The results as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.proof.checks import Check
from tests.proof.figures import Figures
from tests.proof.record import Record

_LAST_LINES = 30


def show(record: Record, checks: Sequence[Check], console: Console) -> None:
    """Print what came of these checks."""
    tree = f"commit {record.tree.commit[:12]}{' with uncommitted changes' if record.tree.dirty else ''}"
    table = Table(title=f"Proof ({'quick' if record.quick else 'full'} size) of {tree}")
    table.add_column("check")
    table.add_column("result")
    table.add_column("seconds", justify="right")
    table.add_column("figures")
    for check in checks:
        result = record.results.get(check.name)
        if result is None:
            table.add_row(check.name, "not run", "", "")
        else:
            verdict = "passed" if result.passed else "[red]FAILED[/red]"
            table.add_row(check.name, verdict, f"{result.seconds:,.0f}", figures_text(result.figures))
    console.print(table)


def figures_text(figures: Figures) -> str:
    """Return figures in one line."""
    return ", ".join(f"{name} {value:,.10g}" for name, value in figures.items())


def last_lines(output: str) -> str:
    """Return the end of what a check printed."""
    return "\n".join(output.splitlines()[-_LAST_LINES:])
