"""``writegate drain``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from writegate.config import Settings
from writegate_console.cli.options import Words, wrong_usage
from writegate_console.cli.output import Json, print_json
from writegate_console.gate.database import reading
from writegate_console.gate.drain.look import Left, drain_look
from writegate_console.gate.duration import duration

LOOK_SECONDS = 1.0
TIMED_OUT = 3


def drain(
    target: Words,
    *,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait at most, such as 5m.")] = "5m",
    json_: Json = False,
) -> None:
    """Wait until what was accepted for a target until now is decided. Exit code 0: it is, 3: not in time, 1: failed.

    While a hold stops the target its commands wait on purpose: then this waits until nothing of it is in work any more,
    as before a migration.
    """
    with wrong_usage():
        limit = duration(timeout).total_seconds()
    with reading() as database:
        look = drain_look(database, Settings.load(), " ".join(target))
        left = _wait(look, limit, quiet=json_)
    if json_:
        print_json({"drained": not left, "left": left})
    elif left:
        typer.echo(f"not drained after {timeout}: {_told(left)}", err=True)
    else:
        typer.echo("drained")
    if left:
        raise typer.Exit(TIMED_OUT)


def _wait(look: Callable[[], Left], limit: float, *, quiet: bool) -> Left:
    deadline = time.monotonic() + limit
    with Status("", console=Console(file=sys.stderr, quiet=quiet)) as status:
        while left := look():
            if time.monotonic() >= deadline:
                return left
            status.update(_told(left))
            time.sleep(LOOK_SECONDS)
    return {}


def _told(left: Left) -> str:
    return "; ".join(f"{count:,} {what}" for what, count in left.items())
