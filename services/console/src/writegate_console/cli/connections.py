"""``writegate connections``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from writegate.cli.output import Json, format_cell, print_json, print_table, print_text
from writegate_console.gate.connections.baseline import read_baseline, write_baseline
from writegate_console.gate.connections.counts import ConnectionCounts, ConnectionsReport, CountDifference, compare
from writegate_console.gate.connections.queries import RECENT_BATCHES, read_connections
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
        privileged = [{**asdict(role), "advice": role.advice} for role in report.privileged]
        written = [{**asdict(table), "without_the_gate": table.without_the_gate} for table in report.written]
        more = {"direct": direct, "privileged": privileged, "written": written}
        print_json({**asdict(report), **more, "compared": [asdict(count) for count in differences]})
        return
    _print_report(report, differences)


def _print_report(report: ConnectionsReport, differences: list[CountDifference]) -> None:
    columns = ("role", "application", "sessions", "idle in transaction", "waiting for locks")
    print_table(columns, (tuple(asdict(count).values()) for count in report.sessions))
    typer.echo(f"\n{report.writers}\n")
    _print_written(report)
    _print_ways(report)
    if differences:
        print_table(("", "before", "now"), ((count.name, count.before, count.now) for count in differences))


def _print_written(report: ConnectionsReport) -> None:
    """Print what was written to the gate's tables, and what of it was certainly written without the gate."""
    written = [table for table in report.written if table.rows]
    columns = ("table", "inserted", "updated", "deleted", "commands")
    rows = ((table.table, table.inserted, table.updated, table.deleted, table.commands) for table in written)
    if written:
        since = f" since {format_cell(written[0].since)}" if written[0].since else ""
        print_text(
            f"rows written to the gate's tables{since}, by anybody, and commands of their domains in the last "
            f"{RECENT_BATCHES:,} batches:"
        )
        print_table(columns, rows)
        typer.echo()
    for table in written:
        if table.without_the_gate:
            print_text(
                f"WITHOUT THE GATE: {table.rows:,} rows of {table.table} were written, and no command that may touch it"
            )
    for session in report.writing:
        print_text(f"WITHOUT THE GATE: {session}")


def _print_ways(report: ConnectionsReport) -> None:
    for role in report.privileged:
        print_text(str(role))
        typer.echo(f"  {role.advice}")
    for writer in report.direct:
        print_text(f"{writer.role} was granted rights to write directly, sessions now: {writer.sessions}")
        typer.echo(f"  {writer.revoke}")
    if not report.direct:
        print_text("no other role was granted a right to write to the gate's tables")


def _compared(baseline: Path, now: ConnectionCounts) -> list[CountDifference]:
    if not baseline.exists():
        write_baseline(baseline, now)
        return []
    return compare(read_baseline(baseline), now)
