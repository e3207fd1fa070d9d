"""``writegate hold`` and ``writegate release``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from writegate.contract.operations import Hold, Release
from writegate.contract.targets import Target
from writegate_console.cli.options import By, Reason, Words, me, wrong_usage
from writegate_console.cli.output import Json, print_json
from writegate_console.gate.database import Database, reading
from writegate_console.gate.duration import after
from writegate_console.gate.operate import operate
from writegate_console.gate.targets import find

_HELD = "SELECT target, reason, holder, since, until FROM writegate.hold WHERE target = %(target)s"


def hold(
    target: Words,
    *,
    reason: Reason,
    for_: Annotated[
        str, typer.Option("--for", help="For how long, such as 30m; by default until it is released.")
    ] = "",
    by: By = "",
    json_: Json = False,
) -> None:
    """Stop a service, a lane, a command type, a key or a table, within two seconds. Exit code 0: held, 1: failed.

    Nothing is lost: messages of a held service or lane stay in their queue; commands of the rest are set aside in
    order, and applied when the hold is over.
    """
    with wrong_usage():
        until = after(datetime.now(UTC), for_) if for_ else None
    with reading() as database:
        found = find(database, target)
        operate(Hold(target=str(found), until=until, by=by or me(), reason=reason))
        _tell(database, found, "held", json_=json_)


def release(target: Words, *, reason: Reason = "released", by: By = "", json_: Json = False) -> None:
    """End a hold. What waited for it is applied, in order. Exit code 0: released, 1: failed, or there was no hold."""
    text = " ".join(target)
    with reading() as database:
        holds = {row["target"] for row in database.all("SELECT target FROM writegate.hold")}
        found = text if text in holds else str(find(database, target))
    operate(Release(target=found, by=by or me(), reason=reason))
    if json_:
        print_json({"released": found})
    else:
        typer.echo(f"released {found}")


def _tell(database: Database, target: Target, what: str, *, json_: bool) -> None:
    rows = database.all(_HELD, {"target": str(target)})
    if json_:
        print_json(rows[0] if rows else None)
        return
    until = rows[0]["until"] if rows else None
    end = f"until {until:%Y-%m-%d %H:%M:%S %Z}" if until else f"until `writegate release {target}`"
    typer.echo(f"{what} {target} {end}; every writer obeys within two seconds")
