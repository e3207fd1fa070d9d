"""``writegate status``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from writegate.catalog.find import suggestion
from writegate.cli.output import Json, print_json, print_table, print_text
from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.database import reading
from writegate_console.gate.status.model import GateStatus, only, unknown_names
from writegate_console.gate.status.queries import read_status

_CLEAR = "\x1b[H\x1b[2J"
NO_WRITER, LOSING_POLICY, NO_BROKER = 3, 2, 4  # exit codes
REFRESH_SECONDS = 2.0  # within this time writers obey a hold


def status(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="These services, lanes or domains only: flights, flights.0."),
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")] = False,
    json_: Json = False,
) -> None:
    """Show lanes, rates, what waits, holds, and who serves what.

    Rates are of commands, also where a message holds many. Exit code 0: every domain has a writer, 3: one has none, 2:
    a policy of the broker can lose commands (or wrong usage), 4: its management API is set and does not tell depths and
    policies, 1: failed.
    """
    if watch and json_:
        raise typer.BadParameter("--json prints once: leave out --watch")
    settings = Settings.load()
    with reading() as database:
        while True:
            found = _chosen(read_status(database, settings), names or [])
            if json_:
                print_json({**asdict(found), "unserved": found.unserved})
            else:
                typer.echo(_CLEAR if watch and sys.stdout.isatty() else "", nl=False)
                _print_status(found, asked=bool(settings.broker_api_url))
            if not watch:
                break
            time.sleep(REFRESH_SECONDS)
    if found.unserved:
        raise typer.Exit(NO_WRITER)
    if found.policies:
        raise typer.Exit(LOSING_POLICY)
    if found.broker is not None and settings.broker_api_url:
        raise typer.Exit(NO_BROKER)


def _chosen(found: GateStatus, names: list[str]) -> GateStatus:
    if not names:
        return found
    if unknown := unknown_names(found, names):
        services = {lane.service for lane in found.lanes}
        raise WritegateError(f"no service, lane or domain is called {unknown[0]!r}: {suggestion(unknown[0], services)}")
    return only(found, names)


def _print_status(found: GateStatus, *, asked: bool) -> None:
    if found.unserved:
        print_text(f"NO WRITER serves {', '.join(found.unserved)}: its commands wait\n")
    for harm in found.policies:
        print_text(f"POLICY {harm.policy} of the broker on {harm.target}: {harm.text}\n")
    if found.broker is not None:
        print_text(f"{'NOTHING FROM THE BROKER: ' if asked else ''}{found.broker}\n")
    columns = ("service", "lane", "domain", "state", "messages", "in/s", "oldest s")
    lanes = (
        (lane.service, lane.lane, lane.domain, lane.state, lane.messages, lane.in_per_second, lane.oldest_seconds)
        for lane in found.lanes
    )
    print_table(columns, (_rounded(lane) for lane in lanes))
    typer.echo()
    headings = ("service", "out/s", "batch", "last commit in a minute", "oldest s", "drained in s")
    print_table(headings, (_rounded(asdict(service).values()) for service in found.out))
    stopped = ("stopped domains", found.stopped)
    for title, rows in (stopped, ("holds", found.holds), ("parked", found.parked), ("deferred", found.deferred)):
        count = sum(row.get("commands", 1) for row in rows)  # of commands, not of causes
        typer.echo(f"\n{title}: {f'{count:,}' if count else 'none'}")
        _print_rows(rows)
    typer.echo(f"\n{found.writers}")
    for writer, domains in found.domains.items():
        print_text(f"{writer} serves {', '.join(domains)}")


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        print_table(tuple(rows[0]), (tuple(row.values()) for row in rows))


def _rounded(values: Iterable[Any]) -> list[Any]:
    return [round(value, 1) if isinstance(value, float) else value for value in values]
