"""``writegate service new``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from writegate_devkit.scaffold.scaffold import planned, write
from writegate_devkit.stack.home import find_checkout

MOST_LANES = 256  # each lane is a queue at the broker


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A Python package and a schema too, such as invoices.")],
    *,
    lanes: Annotated[int, typer.Option(min=1, max=MOST_LANES, help="Queues over which its keys are spread.")] = 1,
    key: Annotated[str, typer.Option(help="The field that its commands are about, such as customer_id.")] = "id",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create a service in this checkout.

    Contract, app, writes, table, migration, tests, and how it is run.
    Exit code 0: created; 1: not created, and nothing is changed; 2: wrong usage.
    """
    checkout = find_checkout(Path.cwd())
    scaffold = planned(checkout, name, lanes, key)
    write(scaffold)
    folder = f"services/{name}"
    after = _after(name, key)
    if json_:
        typer.echo(json.dumps({"folder": folder, "made": sorted(scaffold.made), "next": after}))
        return
    typer.echo(f"made {folder}: {', '.join(sorted(scaffold.made))}")
    typer.echo("\nnext:")
    for line in after:
        typer.echo(f"  {line}")


def _after(name: str, key: str) -> list[str]:
    """Return what to type next while a local stack runs."""
    fields = json.dumps({key: "a", "amount": 5})
    return [
        "make test                                  # installs it first; its own tests are among them",
        'eval "$(writegate stack env owner)"        # of the local stack; `make up` starts one',
        "writegate plan",
        "writegate apply",
        "make down && make up                       # the writers and the app start with it",
        f'eval "$(writegate stack env {name})"',
        f"writegate publish {name}.record '{fields}' --wait 5",
    ]
