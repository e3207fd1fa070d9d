"""``writegate status``."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from writegate.cli.output import Json, print_json, print_table, print_text
from writegate.config import Settings
from writegate_console.gate.database import reading
from writegate_console.gate.status.model import GateStatus
from writegate_console.gate.status.queries import read_status

_CLEAR = "\x1b[H\x1b[2J"
REFRESH_SECONDS = 2.0  # within this time writers obey a hold


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")] = False,
    json_: Json = False,
) -> None:
    """Show lanes, rates, what waits, holds, and who serves what. Exit code 0: shown, 1: failed."""
    if watch and json_:
        raise typer.BadParameter("--json prints once: leave out --watch")
    settings = Settings.load()
    with reading() as database:
        while True:
            found = read_status(database, settings)
            if json_:
                print_json(asdict(found))
                return
            if watch:
                typer.echo(_CLEAR if sys.stdout.isatty() else "", nl=False)
            _print_status(found)
            if not watch:
                return
            time.sleep(REFRESH_SECONDS)


def _print_status(found: GateStatus) -> None:
    columns = ("service", "lane", "domain", "owner", "messages", "in/s")
    print_table(columns, (tuple(asdict(lane).values()) for lane in found.lanes))
    if found.broker is not None:
        print_text(found.broker)
    typer.echo()
    headings = ("service", "out/s", "batch", "last commit in a minute", "drained in s, estimated")
    print_table(headings, (tuple(map(_rounded, asdict(service).values())) for service in found.out))
    for title, rows in (("holds", found.holds), ("parked", found.parked), ("deferred", found.deferred)):
        count = sum(row.get("commands", 1) for row in rows)  # of commands, not of causes
        typer.echo(f"\n{title}: {f'{count:,}' if count else 'none'}")
        _print_rows(rows)
    typer.echo(f"\n{found.writers}")


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        print_table(tuple(rows[0]), (tuple(row.values()) for row in rows))


def _rounded(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value
