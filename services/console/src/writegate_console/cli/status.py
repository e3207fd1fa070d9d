"""``writegate status``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from writegate.config import Settings
from writegate_console.cli.output import Json, print_json, print_table
from writegate_console.gate.database import reading
from writegate_console.gate.status.queries import look
from writegate_console.gate.status.screen import Screen

REFRESH_SECONDS = 2.0  # writers obey a hold within this


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")] = False,
    json_: Json = False,
) -> None:
    """Show lanes, rates, holds, what is parked and deferred, and the budget. Exit code 0: shown, 1: failed."""
    if watch and json_:
        raise typer.BadParameter("--json prints once: leave out --watch")
    settings, console = Settings.load(), Console()
    with reading() as database:
        while True:
            screen = look(database, settings)
            if json_:
                print_json(asdict(screen))
                return
            if watch:
                console.clear()
            _show(screen, console)
            if not watch:
                return
            time.sleep(REFRESH_SECONDS)


def _show(screen: Screen, console: Console) -> None:
    columns = ("service", "lane", "domain", "owner", "messages", "in/s")
    print_table(console, columns, (tuple(asdict(one).values()) for one in screen.lanes))
    if screen.broker is not None:
        console.print(screen.broker, markup=False)
    console.print()
    headings = ("service", "out/s", "batch", "last commit in a minute", "drained in s, about")
    print_table(console, headings, (tuple(map(_rounded, asdict(one).values())) for one in screen.out))
    for title, found in (("holds", screen.holds), ("parked", screen.parked), ("deferred", screen.deferred)):
        count = sum(row.get("commands", 1) for row in found)  # of commands, not of causes
        console.print(f"\n{title}: {f'{count:,}' if count else 'none'}")
        _table(console, found)
    console.print(f"\n{screen.writers}")


def _table(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        print_table(console, tuple(rows[0]), (tuple(row.values()) for row in rows))


def _rounded(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value
