"""``replay``, ``park`` and ``drop`` of ``writegate parked`` and ``writegate deferred``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from writegate.cli.asking import confirm
from writegate.cli.output import Json, print_json, print_table
from writegate.config import Settings
from writegate.contract.operations import MOST_IN_DRY_RUN, OnFirst, OnKept, Selection
from writegate.session_name import login_name
from writegate_console.cli.kept.options import (
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
from writegate_console.cli.kept.texts import TEXTS
from writegate_console.cli.options import By, Reason
from writegate_console.gate.audit import dry_run_report, shown_outcome
from writegate_console.gate.database import Row, reading
from writegate_console.gate.kept.actions import DRY_RUNS, OPERATIONS, TABLES, Action, KeptName
from writegate_console.gate.kept.listing import count_by_cause
from writegate_console.gate.kept.paging import MoveProgress, move
from writegate_console.gate.operate import Operator, operate_once

SOME_SKIPPED, NOTHING_DONE = 3, 4  # exit codes

Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most so many, the oldest first.", show_default=False)
]
Rate = Annotated[float | None, typer.Option("--rate", min=0.1, help="At most so many a second.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
OnlyTry = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help=f"Change nothing. A replay: a writer applies up to {MOST_IN_DRY_RUN}, rolls back, and reports. "
        "Else: show how many it would be.",
    ),
]


def move_of(name: KeptName, action: Action) -> Callable[..., None]:
    """Return the subcommand that does something with many kept commands."""

    def act(  # noqa: PLR0913  options
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
        selection = selection_of(numbers, service, cause, command, key, id_, text, since, before)
        require_filter(selection, all_=all_)
        by = by or login_name()
        if dry_run and action == "replay":
            most = min(limit or MOST_IN_DRY_RUN, MOST_IN_DRY_RUN)
            _try(DRY_RUNS[name](selection=selection, limit=most, by=by, reason=reason), json_=json_)
            return
        if json_ and not (yes or dry_run):
            raise typer.BadParameter(f"--json cannot ask: add --yes, or see `writegate {name} list` first")
        with reading() as database:
            causes = count_by_cause(database, TABLES[name], selection)
        count = min(sum(row["count"] for row in causes), limit or sys.maxsize)
        if dry_run:
            _show_count(name, action, causes, count, json_=json_)
            return
        progress = MoveProgress()
        if count:
            if not yes:
                _confirm(name, action, selection, causes, count)
            highest = max(row["highest"] for row in causes)

            def make_page(after: int, size: int) -> OnKept:
                operation = OPERATIONS[name][action]
                return operation(selection=selection, after=after, up_to=highest, limit=size, by=by, reason=reason)

            progress = _move(action, make_page, count, rate, quiet=json_)
        _report(name, action, progress, json_=json_)

    return act


def _confirm(name: KeptName, action: Action, selection: Selection, causes: list[Row], count: int) -> None:
    typer.echo(f"{name} with {selection}: {_by_cause(causes)}")
    confirm(f"{action.capitalize()} {count:,} of them?")


def _by_cause(causes: list[Row]) -> str:
    return ", ".join(f"{row['count']:,} {row['cause']}" for row in causes) or "nothing"


def _show_count(name: KeptName, action: Action, causes: list[Row], count: int, *, json_: bool) -> None:
    if json_:
        print_json({"matching": count, "causes": {row["cause"]: row["count"] for row in causes}})
    else:
        typer.echo(f"{name}: {_by_cause(causes)}; {action} would be of {count:,}; nothing was changed")
    if not count:
        raise typer.Exit(NOTHING_DONE)


def _report(name: KeptName, action: Action, progress: MoveProgress, *, json_: bool) -> None:
    if json_:
        print_json({"done": progress.done, "skipped": progress.skipped})
    elif not progress.seen:
        typer.echo(f"{action}: nothing matches, so nothing was done; see `writegate {name} list`")
    else:
        typer.echo(f"{action}: {TEXTS[name, action].done.format(progress.done)}")
        for reason, number in progress.skipped.items():
            typer.echo(f"  skipped {number:,}: {reason}")
    if progress.skipped:
        raise typer.Exit(SOME_SKIPPED)
    if not progress.done:
        raise typer.Exit(NOTHING_DONE)


def _move(
    what: str, make_page: Callable[[int, int], OnKept], count: int, rate: float | None, *, quiet: bool
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


def _try(operation: OnFirst, *, json_: bool) -> None:
    operate_once(operation)
    with reading() as database:
        report = dry_run_report(database, operation.command_id)
    if json_:
        print_json(report)
    else:
        _print_report(report)
    if not report["commands"]:
        raise typer.Exit(NOTHING_DONE)


def _print_report(report: dict[str, Any]) -> None:
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
