"""``writegate parked replay`` and ``drop``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from writegate.cli.asking import confirm
from writegate.cli.output import Json, print_json, print_table
from writegate.config import Settings
from writegate.contract.operations import MOST_IN_DRY_RUN, Drop, DryRun, OnParked, Replay, Selection
from writegate.session_name import login_name
from writegate_console.cli.options import By, Reason
from writegate_console.cli.parked.options import (
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
from writegate_console.gate.audit import dry_run_report, shown_outcome
from writegate_console.gate.database import reading
from writegate_console.gate.operate import Operator, operate_once
from writegate_console.gate.parked.listing import count_by_cause
from writegate_console.gate.parked.paging import MoveProgress, move

SOME_SKIPPED = 3  # exit code

Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most so many, the oldest first.", show_default=False)
]
Rate = Annotated[float | None, typer.Option("--rate", min=0.1, help="At most so many a second.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
OnlyTry = Annotated[
    bool,
    typer.Option("--dry-run", help=f"Only try: a writer applies up to {MOST_IN_DRY_RUN}, rolls back, and reports."),
]


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
    dry_run: OnlyTry = False,
    yes: Yes = False,
    by: By = "",
    json_: Json = False,
) -> None:
    """Have parked commands tried again, oldest first.

    They go before the commands that wait behind them. Interrupted and repeated it does nothing twice. Exit code 0:
    done, or nothing to do; 1: failed, or you said no; 3: some were skipped, and stay parked.
    """
    selection = selection_of(numbers, service, cause, command, key, id_, text, since, before)
    require_filter(selection, all_=all_)
    by = by or login_name()
    if dry_run:
        most = min(limit or MOST_IN_DRY_RUN, MOST_IN_DRY_RUN)
        _try(DryRun(selection=selection, limit=most, by=by, reason=reason), json_=json_)
        return

    def make_page(after: int, up_to: int, size: int) -> OnParked:
        return Replay(selection=selection, after=after, up_to=up_to, limit=size, by=by, reason=reason)

    _confirm_and_move("replay", selection, make_page, limit, rate, yes=yes, json_=json_)


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
    """Drop parked commands for good. They stay readable.

    Commands that wait behind them are applied. Exit code 0: done, or nothing to do; 1: failed, or you said no.
    """
    selection = selection_of(numbers, service, cause, command, key, id_, text, since, before)
    require_filter(selection, all_=all_)
    by = by or login_name()

    def make_page(after: int, up_to: int, size: int) -> OnParked:
        return Drop(selection=selection, after=after, up_to=up_to, limit=size, by=by, reason=reason)

    _confirm_and_move("drop", selection, make_page, limit, rate, yes=yes, json_=json_)


# A replay hands commands to the lanes they belong to, where each is applied like any other.
_DONE = {
    "replay": "{:,} handed to their lanes; one that fails again is parked again, see `writegate parked list`",
    "drop": "{:,} dropped",
}


def _confirm_and_move(  # noqa: PLR0913  what, which, how fast, and how to talk about it
    what: Literal["replay", "drop"],
    selection: Selection,
    make_page: Callable[[int, int, int], OnParked],
    limit: int | None,
    rate: float | None,
    *,
    yes: bool,
    json_: bool,
) -> None:
    if json_ and not yes:
        raise typer.BadParameter("--json cannot ask: add --yes, or see `writegate parked list` first")
    with reading() as database:
        causes = count_by_cause(database, selection)
    count = min(sum(row["count"] for row in causes), limit or sys.maxsize)
    progress = MoveProgress()
    if count:
        if not yes:
            listed = ", ".join(f"{row['count']:,} {row['cause']}" for row in causes)
            typer.echo(f"parked with {selection}: {listed}")
            confirm(f"{what.capitalize()} {count:,} of them?")
        highest = max(row["highest"] for row in causes)
        progress = _move(what, lambda after, size: make_page(after, highest, size), count, rate, quiet=json_)
    if json_:
        print_json({"done": progress.done, "skipped": progress.skipped})
    else:
        typer.echo(f"{what}: {_DONE[what].format(progress.done)}")
        for reason, number in progress.skipped.items():
            typer.echo(f"  skipped {number:,}: {reason}")
    if progress.skipped:
        raise typer.Exit(SOME_SKIPPED)


def _move(
    what: str, make_page: Callable[[int, int], OnParked], count: int, rate: float | None, *, quiet: bool
) -> MoveProgress:
    operator = Operator(Settings.load(need=("broker_url",)))
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
            task = bar.add_task(what, total=count)
            return move(
                operator.operate, make_page, count, rate, lambda progress: bar.update(task, completed=progress.seen)
            )
    finally:
        operator.close()


def _try(operation: DryRun, *, json_: bool) -> None:
    operate_once(operation)
    with reading() as database:
        report = dry_run_report(database, operation.command_id)
    if json_:
        print_json(report)
        return
    columns = ("number", "command", "outcome", "sqlstate", "message", "emitted")
    rows = (
        (tried["number"], tried["task"], shown_outcome(tried["outcome"]), *(tried[name] for name in columns[3:]))
        for tried in report["commands"]
    )
    print_table(columns, rows)
    for table, counts in report["tables"].items():
        typer.echo(f"{table}: {', '.join(f'{count} {change}' for change, count in counts.items() if count)}")
    outcomes = ", ".join(f"{count} {shown_outcome(outcome)}" for outcome, count in sorted(report["outcomes"].items()))
    typer.echo(f"of {len(report['commands'])}: {outcomes or 'nothing to try'}; nothing was changed")
