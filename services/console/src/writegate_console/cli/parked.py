"""``writegate parked``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status

from writegate.config import Settings
from writegate.contract.operations import MOST_IN_DRY_RUN, Drop, DryRun, Edit, OnParked, Replay, Selection
from writegate.errors import WritegateError
from writegate_console.cli.options import By, Reason, me
from writegate_console.cli.output import Json, plain, print_json, print_table, shown
from writegate_console.cli.parked_options import (
    All,
    Before,
    Numbers,
    OfCause,
    OfCommand,
    OfId,
    OfKey,
    OfService,
    Since,
    WithText,
    require_filter,
    selection_of,
)
from writegate_console.gate.database import Database, Row, reading
from writegate_console.gate.operate import Operator, operate
from writegate_console.gate.parked import queries
from writegate_console.gate.parked.fields import changed, digest, fields_of
from writegate_console.gate.parked.moving import Moved, move

SOME_LEFT = 3

app = typer.Typer(no_args_is_help=True, help="Look at parked commands, edit, replay and drop them.")

Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most so many, the oldest first.", show_default=False)
]
Rate = Annotated[float | None, typer.Option("--rate", min=0.1, help="At most so many a second.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run", help=f"Only try: a writer applies up to {MOST_IN_DRY_RUN} and takes it back, and reports."
    ),
]


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917  options
    numbers: Numbers = None,
    service: OfService = None,
    cause: OfCause = None,
    command: OfCommand = None,
    key: OfKey = None,
    id_: OfId = None,
    text: WithText = None,
    since: Since = None,
    before: Before = None,
    each: Annotated[bool, typer.Option("--each", help="Single commands, oldest first, in place of groups.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="With --each: at most so many.")] = 50,
    json_: Json = False,
) -> None:
    """Show what is parked, by service, cause and command. Exit code 0: shown, 1: failed."""
    selection = selection_of(numbers, service, cause, command, key, id_, text, since, before)
    with reading() as database:
        rows = queries.each(database, selection, limit) if each else queries.groups(database, selection)
    if json_:
        print_json([dict(row) for row in rows])
    elif rows:
        print_table(Console(soft_wrap=True), list(rows[0]), (tuple(row.values()) for row in rows))
    else:
        typer.echo("nothing is parked" if str(selection) == "all" else f"nothing is parked with {selection}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NUMBER|ID", help="As `writegate parked list` shows it.")],
    *,
    json_: Json = False,
) -> None:
    """Show a parked command with all that is known of it. Exit code 0: shown, 1: there is none."""
    with reading() as database:
        found = [_described(row, queries.history(database, row["number"])) for row in _found(database, name)]
    if json_:
        print_json(found)
        return
    for one in found:
        for title, value in one.items():
            text = plain(json.dumps(value, indent=2, ensure_ascii=False)) if isinstance(value, dict) else shown(value)
            if title != "history":
                typer.echo(f"{title:10} {text}")
        for step in one["history"]:
            typer.echo(f"{shown(step['at'])} {step['action']} by {shown(step['who'])}: {shown(step['reason'])}")


def _described(row: Row, history: list[Row]) -> dict[str, Any]:
    raw = bytes(row["raw"])
    fields = fields_of(raw)
    body = {"fields": fields} if fields is not None else {"body": raw.decode(errors="replace")}
    return {**{name: row[name] for name in row if name != "raw"}, **body, "sha256": digest(raw), "history": history}


def _found(database: Database, name: str) -> list[Row]:
    rows = queries.find(database, name)
    if not rows:
        raise WritegateError(f"nothing was ever parked as {name}: see `writegate parked list`")
    return rows


@app.command()
def edit(  # noqa: PLR0913  options
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `writegate parked list` shows it.")],
    *,
    reason: Reason,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=JSON", help="Another value for a field.", show_default=False),
    ] = None,
    fields: Annotated[
        Path | None,
        typer.Option("--fields", help="All fields, a JSON object in a file; - for standard input.", show_default=False),
    ] = None,
    by: By = "",
    json_: Json = False,
) -> None:
    """Give a parked command other fields, which its contract takes; it stays parked. Exit code 0: done, 1: refused."""
    if (fields is None) == (not set_):
        raise typer.BadParameter("expected --set FIELD=JSON, once or more often, or --fields FILE")
    with reading() as database:
        raw = bytes(_found(database, str(number))[0]["raw"])
    wanted = json.dumps(changed(fields_of(raw), set_ or ())) if fields is None else _read(fields)
    result = operate(Edit(number=number, fields=wanted, was=digest(raw), by=by or me(), reason=reason))
    if json_:
        print_json(result)
    else:
        typer.echo(f"edited {number}: it stays parked until `writegate parked replay {number}`")


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WritegateError(f"cannot read {path}: {error}") from error


@app.command()
def replay(  # noqa: PLR0913  options
    numbers: Numbers = None,
    *,
    reason: Reason,
    service: OfService = None,
    cause: OfCause = None,
    command: OfCommand = None,
    key: OfKey = None,
    id_: OfId = None,
    text: WithText = None,
    since: Since = None,
    before: Before = None,
    all_: All = False,
    limit: Limit = None,
    rate: Rate = None,
    dry_run: DryRunOption = False,
    yes: Yes = False,
    by: By = "",
    json_: Json = False,
) -> None:
    """Have parked commands decided again, oldest first, ahead of what waits behind them.

    Interrupted and repeated it does nothing twice. Exit code 0: done, or nothing to do; 1: failed, or you said no;
    3: some were skipped, and stay parked.
    """
    selection = selection_of(numbers, service, cause, command, key, id_, text, since, before)
    require_filter(selection, all_=all_)
    if dry_run:
        _rehearse(
            DryRun(
                selection=selection, limit=min(limit or MOST_IN_DRY_RUN, MOST_IN_DRY_RUN), by=by or me(), reason=reason
            ),
            json_=json_,
        )
        return

    def make(after: int, up_to: int, size: int) -> OnParked:
        return Replay(selection=selection, after=after, up_to=up_to, limit=size, by=by or me(), reason=reason)

    _act("replay", selection, make, limit, rate, yes=yes, json_=json_)


@app.command()
def drop(  # noqa: PLR0913  options
    numbers: Numbers = None,
    *,
    reason: Reason,
    service: OfService = None,
    cause: OfCause = None,
    command: OfCommand = None,
    key: OfKey = None,
    id_: OfId = None,
    text: WithText = None,
    since: Since = None,
    before: Before = None,
    all_: All = False,
    limit: Limit = None,
    rate: Rate = None,
    yes: Yes = False,
    by: By = "",
    json_: Json = False,
) -> None:
    """Give parked commands up for good; what waits behind them goes on. They stay readable.

    Exit code 0: done, or nothing to do; 1: failed, or you said no.
    """
    selection = selection_of(numbers, service, cause, command, key, id_, text, since, before)
    require_filter(selection, all_=all_)

    def make(after: int, up_to: int, size: int) -> OnParked:
        return Drop(selection=selection, after=after, up_to=up_to, limit=size, by=by or me(), reason=reason)

    _act("drop", selection, make, limit, rate, yes=yes, json_=json_)


# A replay hands them to the lanes they belong to, where each is decided like any other.
_TOLD = {
    "replay": "{:,} handed back to be decided; one that is rejected again is parked again, see `writegate parked list`",
    "drop": "{:,} dropped",
}


def _act(  # noqa: PLR0913
    what: str,
    selection: Selection,
    make: Callable[[int, int, int], OnParked],
    limit: int | None,
    rate: float | None,
    *,
    yes: bool,
    json_: bool,
) -> None:
    if json_ and not yes:
        raise typer.BadParameter("--json cannot ask: add --yes, or look with `writegate parked list` first")
    with reading() as database:
        there = queries.causes(database, selection)
    count = min(sum(row["count"] for row in there), limit or sys.maxsize)
    moved = Moved()
    if count:
        if not yes:
            causes = ", ".join(f"{row['count']:,} {row['cause']}" for row in there)
            typer.echo(f"parked with {selection}: {causes}")
            typer.confirm(f"{what.capitalize()} {count:,} of them?", abort=True)
        highest = max(row["highest"] for row in there)
        moved = _moved(what, lambda after, size: make(after, highest, size), count, rate, quiet=json_)
    if json_:
        print_json({"done": moved.done, "skipped": moved.skipped})
    else:
        typer.echo(f"{what}: {_TOLD[what].format(moved.done)}")
        for why, number in moved.skipped.items():
            typer.echo(f"  skipped {number:,}: {why}")
    if moved.skipped:
        raise typer.Exit(SOME_LEFT)


def _moved(what: str, make: Callable[[int, int], OnParked], count: int, rate: float | None, *, quiet: bool) -> Moved:
    operator = Operator(Settings.load(need=("broker_url",)))
    try:
        with Status(f"{what}: 0 of {count:,}", console=Console(file=sys.stderr, quiet=quiet)) as status:
            return move(
                operator.operate, make, count, rate, lambda one: status.update(f"{what}: {one.seen:,} of {count:,}")
            )
    finally:
        operator.close()


def _rehearse(wanted: DryRun, *, json_: bool) -> None:
    operate(wanted)
    with reading() as database:
        report = queries.report(database, wanted.command_id)
    if json_:
        print_json(report)
        return
    console = Console(soft_wrap=True)
    columns = ("number", "command", "outcome", "sqlstate", "message", "emitted")
    rows = ((one["number"], one["task"], *(one[name] for name in columns[2:])) for one in report["commands"])
    print_table(console, columns, rows)
    for table, counts in report["tables"].items():
        typer.echo(f"{table}: {', '.join(f'{count} {what}' for what, count in counts.items() if count)}")
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report["outcomes"].items()))
    typer.echo(f"of {len(report['commands'])}: {told or 'nothing to try'}; nothing was changed")
