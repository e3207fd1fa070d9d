"""``writegate hold`` and ``writegate release``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from writegate.cli.output import Json, print_json
from writegate.contract.operations import Hold, Release
from writegate.session_name import login_name
from writegate_console.cli.options import By, Reason, TargetWords, wrong_usage
from writegate_console.gate.database import reading
from writegate_console.gate.durations import time_after
from writegate_console.gate.holds import hold_on
from writegate_console.gate.operate import operate_once
from writegate_console.gate.targets import find_target


def hold(
    target: TargetWords,
    *,
    reason: Reason,
    for_: Annotated[
        str, typer.Option("--for", help="For how long, such as 30m; by default until it is released.")
    ] = "",
    by: By = "",
    json_: Json = False,
) -> None:
    """Stop a service, lane, command type, key or table. Exit code 0: held within two seconds, 1: failed.

    Nothing is lost: messages of a held service or lane stay in their queue; commands of a held type, key or table are
    deferred in order, and applied when the hold ends.
    """
    with wrong_usage():
        until = time_after(datetime.now(UTC), for_)
    with reading() as database:
        found = str(find_target(database, target))
        operate_once(Hold(target=found, until=until, by=by or login_name(), reason=reason))
        placed = hold_on(database, found)
    if json_:
        print_json(placed)
        return
    ends = placed["until"] if placed else None
    end = f"until {ends:%Y-%m-%d %H:%M:%S %Z}" if ends else f"until `writegate release {found}`"
    typer.echo(f"held {found} {end}; every writer obeys within two seconds")


def release(target: TargetWords, *, reason: Reason = "released", by: By = "", json_: Json = False) -> None:
    """Release a hold: its commands are applied, in order. Exit code 0: released, 1: failed, or there was no hold."""
    text = " ".join(target)
    with reading() as database:
        # A hold on a target that does not exist any more can be released too.
        found = text if hold_on(database, text) else str(find_target(database, target))
    operate_once(Release(target=found, by=by or login_name(), reason=reason))
    if json_:
        print_json({"released": found})
    else:
        typer.echo(f"released {found}")
