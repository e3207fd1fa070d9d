"""``writegate stack``: the local stack's commands."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from writegate.cli.output import Json, print_table
from writegate_devkit.stack.stack import Stack
from writegate_devkit.stack.status import Status

NOT_ALL_READY = 3  # exit code of `status`, as service scripts have it: not running

app = typer.Typer(no_args_is_help=True, help="Run a private broker, database, writers and services.")

State = Annotated[
    Path | None, typer.Option("--state", help="Where the state is kept; default: .writegate of the checkout.")
]


@app.command()
def up(
    state: State = None,
    only: Annotated[
        str, typer.Option(help="'servers': broker and database, with everything applied, and nothing else.")
    ] = "",
    programs: Annotated[str, typer.Option(help="These writers and services only, separated by commas.")] = "",
    apply: Annotated[bool, typer.Option(help="Run `writegate apply` once the servers answer.")] = True,
    as_json: Json = False,
) -> None:
    """Start everything, and return when it answers. Harmless when it runs already."""
    if only not in {"", "servers"} or (only and programs):
        raise typer.BadParameter("expected --only servers, or --programs with names, or neither")
    wanted = [name.strip() for name in programs.split(",") if name.strip()] if programs or only else None
    settings = {name: os.environ[name] for name in ("WRITEGATE_CONNECTIONS", "WRITEGATE_SLOTS") if name in os.environ}
    stack = Stack(state, settings=settings)
    stack.up(wanted, apply=apply)
    _show(Status.of(stack), as_json=as_json)


@app.command()
def down(
    state: State = None,
    wipe: Annotated[bool, typer.Option("--wipe", help="Remove the data as well.")] = False,
) -> None:
    """Stop everything; nothing is left running. The data stays."""
    stack = Stack(state)
    stack.down(wipe=wipe)
    typer.echo(f"down; the data {'is gone' if wipe else f'stays in {stack.home.state}'}")


@app.command()
def status(state: State = None, as_json: Json = False) -> None:
    """Show what runs. Exit code 0: all of it, and it answers; 3: not all."""
    seen = Status.of(Stack(state))
    _show(seen, as_json=as_json)
    if not seen.ready:
        raise typer.Exit(NOT_ALL_READY)


@app.command()
def env(
    name: Annotated[str, typer.Argument(help="owner, writer, reader, or the name of a program or service.")] = "owner",
    state: State = None,
    as_json: Json = False,
) -> None:
    """Print the settings of one process, for a shell: eval "$(writegate stack env flights)"."""
    settings = Stack(state).environment(name)
    if as_json:
        typer.echo(json.dumps(settings, indent=2))
        return
    for variable, value in settings.items():
        typer.echo(f"export {variable}={shlex.quote(value)}")


def _show(seen: Status, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(seen.as_dict(), indent=2))
        return
    rows = ((row.program, row.state, row.pid or "-", row.address, row.log.name) for row in seen.programs)
    print_table(("program", "state", "pid", "address", "log"), rows)
    if seen.console is not None:
        typer.echo(f"\nconsole {seen.console.address}")
        typer.echo(f"log in as {seen.console.user}, password {seen.console.password}")
    typer.echo(f"\nstate {seen.state}\nlogs  {seen.state / 'logs'}")
