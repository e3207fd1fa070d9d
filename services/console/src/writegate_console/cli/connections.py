"""``writegate connections``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from writegate.cli.output import Json, print_json, print_table, print_text
from writegate_console.gate.connections.baseline import read_baseline, write_baseline
from writegate_console.gate.connections.counts import ConnectionCounts, ConnectionsReport, CountDifference, compare
from writegate_console.gate.connections.queries import read_connections
from writegate_console.gate.database import reading


def connections(
    *,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Compare with what was before, by this file; write it when there is none.", dir_okay=False),
    ] = None,
    json_: Json = False,
) -> None:
    """Show who is connected, and who writes without the gate. Exit code 0: shown, 1: failed."""
    with reading() as database:
        report = read_connections(database)
    differences = [] if baseline is None else _compared(baseline, report.counters)
    if json_:
        direct = [{**asdict(writer), "revoke": writer.revoke} for writer in report.direct]
        print_json({**asdict(report), "direct": direct, "compared": [asdict(count) for count in differences]})
        return
    _print_report(report, differences)


def _print_report(report: ConnectionsReport, differences: list[CountDifference]) -> None:
    columns = ("role", "application", "sessions", "idle in transaction", "waiting for locks")
    print_table(columns, (tuple(asdict(count).values()) for count in report.sessions))
    typer.echo(f"\n{report.writers}")
    for writer in report.direct:
        line = f"{writer.role} may write directly, sessions now: {writer.sessions}"
        typer.echo(f"{line}\n  {writer.revoke}")
    if not report.direct:
        print_text(
            "no other role was granted a right to write to the gate's tables "
            "(superusers, owners and members of the gate's own roles are not checked)"
        )
    if differences:
        print_table(("", "before", "now"), ((count.name, count.before, count.now) for count in differences))


def _compared(baseline: Path, now: ConnectionCounts) -> list[CountDifference]:
    if not baseline.exists():
        write_baseline(baseline, now)
        return []
    return compare(read_baseline(baseline), now)
