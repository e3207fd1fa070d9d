"""``writegate drain``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from writegate.config import Settings
from writegate_console.database import Database, reading
from writegate_console.drain import queries
from writegate_console.drain.waited import COUNTED_SECONDS, Queues, covering, lanes_of
from writegate_console.duration import duration
from writegate_console.output import Json, print_json
from writegate_console.targets import Words, find

LOOK_SECONDS = 1.0
OBEYED_SECONDS = 2.0  # so soon every writer obeys a hold
TIMED_OUT = 3

Left = dict[str, int]


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
    limit = duration(timeout).total_seconds()
    with reading() as database:
        look = looking(database, Settings.load(), " ".join(target))
        left = _wait(look, limit, quiet=json_)
    if json_:
        print_json({"drained": not left, "left": left})
    elif left:
        typer.echo(f"not drained after {timeout}: {_told(left)}", err=True)
    else:
        typer.echo("drained")
    if left:
        raise typer.Exit(TIMED_OUT)


def looking(database: Database, settings: Settings, text: str) -> Callable[[], Left]:
    """Return what tells how much is left, by what it waits for."""
    target = find(database, [text])
    begin, began = queries.now(database), time.monotonic()
    of = lanes_of(target, queries.lanes(database), queries.tables(database))
    queues = Queues()

    def in_work() -> Left:
        if time.monotonic() - began < OBEYED_SECONDS:
            return {"a writer may not know of the hold yet": 1}
        count = queries.in_work(database, begin + timedelta(seconds=OBEYED_SECONDS))
        return {"a batch is in work": count} if count else {}

    def waiting() -> Left:
        if time.monotonic() - began < COUNTED_SECONDS:
            return {"the broker is counting": 1}
        left = queues.left(queries.counted(settings, of))
        return {**left, **queries.deferred(database, target, of, begin)}

    def look() -> Left:
        return in_work() if covering(target, of, queries.holds(database)) else waiting()

    return look


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
