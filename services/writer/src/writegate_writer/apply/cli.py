"""``writegate plan`` and ``writegate apply``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from writegate.config import Settings
from writegate_writer.apply.change import Change
from writegate_writer.apply.plan import NEED, Plan, opened
from writegate_writer.apply.show import as_json, show_change, show_domains, show_ledger

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def plan(*, json_: Json = False) -> None:
    """Show how broker and database differ from the declarations. Exit code 0: not at all, 2: they do, 1: failed."""
    with opened(Settings.load(need=NEED)) as applier:
        found = applier.plan()
    if json_:
        typer.echo(json.dumps(as_json(found), indent=2))
    else:
        _show_plan(found, Console())
    if found.changes:
        raise typer.Exit(2)


def apply(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before changing anything.")] = False,
    json_: Json = False,
) -> None:
    """Make broker and database as the services declare. Exit code 0: they are now, 1: something failed or was refused.

    Never deletes what may hold messages or rows: such changes are refused with a way to make them yourself.
    """
    if json_ and not yes:
        raise typer.BadParameter("--json cannot ask: add --yes, or look with `writegate plan --json` first")
    console = Console(file=sys.stderr) if json_ else Console()
    with opened(Settings.load(need=NEED)) as applier:
        before = applier.plan()
        if not yes:
            _show_plan(before, console)
            if before.possible:
                typer.confirm("Make these changes?", abort=True)
        applied: list[Change] = []

        def done(change: Change) -> None:
            applied.append(change)
            if not json_:
                show_change(change, console)

        after = applier.apply(before, done)
    if json_:
        typer.echo(json.dumps(as_json(after, applied), indent=2))
    else:
        _show_result(applied, after, console)
    if after.refused:
        raise typer.Exit(1)


def _show_plan(found: Plan, console: Console) -> None:
    show_domains(found.domains, console)
    show_ledger(found.ledger, console)
    for change in found.changes:
        show_change(change, console)
    if found.changes:
        console.print(f"\n{len(found.possible)} to make, {len(found.refused)} refused")
    else:
        console.print("nothing to change: broker and database are as declared")


def _show_result(applied: list[Change], after: Plan, console: Console) -> None:
    for change in after.refused:
        show_change(change, console)
    if applied or after.refused:
        console.print(f"\n{len(applied)} made, {len(after.refused)} refused")
    else:
        console.print("nothing to change: broker and database are as declared")
