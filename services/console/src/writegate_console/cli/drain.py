"""``writegate drain``."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from writegate.cli.output import Json, print_json
from writegate.config import Settings
from writegate_console.cli.options import TargetWords, wrong_usage
from writegate_console.gate.database import reading
from writegate_console.gate.drain.drain import Drain, Remaining
from writegate_console.gate.durations import parse_duration

INTERVAL_SECONDS = 1.0
TIMED_OUT = 3  # exit code


def drain(
    target: TargetWords,
    *,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait at most, such as 5m.")] = "5m",
    json_: Json = False,
) -> None:
    """Wait until what was accepted for a target is finished. Exit code 0: done, 3: too late, 1: failed.

    While a hold stops the target, its commands wait on purpose: then this waits until none of them is being applied any
    more, as before a migration.
    """
    with wrong_usage():
        limit_seconds = parse_duration(timeout).total_seconds()
    with reading() as database:
        remaining = _wait(Drain(database, Settings.load(), " ".join(target)), limit_seconds, quiet=json_)
    if json_:
        print_json({"drained": not remaining, "left": remaining})
    elif remaining:
        typer.echo(f"not drained after {timeout}: {_in_words(remaining)}", err=True)
    else:
        typer.echo("drained")
    if remaining:
        raise typer.Exit(TIMED_OUT)


def _wait(drain: Drain, limit_seconds: float, *, quiet: bool) -> Remaining:
    deadline = time.monotonic() + limit_seconds
    with Status("", console=Console(stderr=True, quiet=quiet)) as status:
        while remaining := drain.remaining():
            if time.monotonic() >= deadline:
                return remaining
            status.update(_in_words(remaining))
            time.sleep(INTERVAL_SECONDS)
    return {}


def _in_words(remaining: Remaining) -> str:
    return "; ".join(f"{count:,} {what}" for what, count in remaining.items())
