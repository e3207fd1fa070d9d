"""``writegate connections``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from writegate.errors import WritegateError
from writegate_console.cli.output import Json, print_json, print_table
from writegate_console.gate.connections.counts import Counters, Difference, Picture, compare
from writegate_console.gate.connections.queries import look
from writegate_console.gate.database import reading


def connections(
    *,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Compare with what was before, by this file; write it when there is none.", dir_okay=False),
    ] = None,
    json_: Json = False,
) -> None:
    """Show who is connected, the writers' budget, and who may still write directly. Exit code 0: shown, 1: failed."""
    with reading() as database:
        picture = look(database)
    differences = [] if baseline is None else _compared(baseline, picture.counters)
    if json_:
        direct = [{**asdict(one), "revoke": one.revoke} for one in picture.direct]
        print_json({**asdict(picture), "direct": direct, "compared": [asdict(one) for one in differences]})
        return
    _show(picture, differences, Console(soft_wrap=True))


def _show(picture: Picture, differences: list[Difference], console: Console) -> None:
    columns = ("role", "application", "sessions", "idle in transaction", "waiting for locks")
    print_table(console, columns, (tuple(asdict(one).values()) for one in picture.sessions))
    console.print(f"\n{picture.writers}")
    for one in picture.direct:
        console.print(f"{one.role} may write directly, sessions now: {one.sessions}", markup=False, highlight=False)
        console.print(f"  {one.revoke}", markup=False, highlight=False)
    if not picture.direct:
        console.print(
            "no other role was granted a right to write to the gate's tables "
            "(superusers, owners and members of the gate's own roles are not looked at)"
        )
    if differences:
        print_table(console, ("", "before", "now"), ((one.name, one.before, one.now) for one in differences))


def _compared(baseline: Path, now: Counters) -> list[Difference]:
    if not baseline.exists():
        baseline.write_text(json.dumps(asdict(now), indent=2) + "\n")
        return []
    try:
        before = Counters(**json.loads(baseline.read_text()))
    except (ValueError, TypeError) as error:
        raise WritegateError(
            f"{baseline} is no baseline ({error}): expected a file that `writegate connections --baseline` wrote"
        ) from error
    return compare(before, now)
