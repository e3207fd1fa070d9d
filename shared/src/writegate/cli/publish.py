"""``writegate publish``: publish one command, or a stream of them, from a shell."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from writegate.catalog.find import find_command, read_command
from writegate.catalog.installed import installed_services
from writegate.contract.command import Command
from writegate.errors import PublishError, PublishTimeout, ReceiptTimeout, WritegateError
from writegate.integrations.outcomes import LATE, exit_code, receipt_line
from writegate.integrations.stream import Progress, StreamCounters, publish_stream
from writegate.publishing.process import publisher

RECEIPTS_AT_ONCE = 200  # commands published together whose receipts are then awaited: a fair batch for the writer


def publish(
    task: Annotated[str, typer.Argument(help="The command's task name, such as flights.record_departure.")],
    fields: Annotated[str, typer.Argument(help="Its fields as JSON; '-': a JSON object a line from stdin.")] = "-",
    *,
    wait: Annotated[float | None, typer.Option(min=0, help="Wait up to so many seconds for each receipt.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Commands a second; default: full speed.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Publish a command, or one for each line of stdin.

    With --wait it prints what became of it, and the result of its handler. Exit code 0: accepted by the broker or the
    spool, and with --wait applied; 1: refused, invalid, or finished without being applied, with the line's number; 2:
    wrong usage; 3: no confirm in time, or nothing final. The lines before an invalid one are published.
    """
    kind = find_command(task, installed_services().values())
    if fields != "-":
        _publish_one(read_command(kind, fields), wait, json_=json_)
        return
    if wait is not None and rate is not None:
        raise typer.BadParameter("with --wait the writer sets the pace: expected --wait or --rate, not both")
    lines = _Lines(kind, sys.stdin)
    try:
        counts = _publish_all(lines, rate) if wait is None else _await_all(lines, wait)
    except PublishError as error:
        raise WritegateError(f"line {lines.number_of(error.command_id)}: {error}") from error
    typer.echo(json.dumps(counts) if json_ else "  ".join(f"{name} {value}" for name, value in counts.items()))
    if lines.wrong is not None:
        raise lines.wrong
    if wait is not None:
        raise typer.Exit(exit_code(counts.keys() - {"commands"}))


def _publish_one(command: Command, wait: float | None, *, json_: bool) -> None:
    try:
        if wait is None:
            accepted = publisher().publish(command)
            typer.echo(json.dumps(asdict(accepted)) if json_ else f"{accepted.accepted_by} {accepted.command_id}")
            if accepted.accepted_by == "spooled":
                typer.echo(
                    "it is on this machine's disk: the next publisher of this user and broker sends it", err=True
                )
            return
        receipt = publisher().publish(command, receipt=True).wait(wait)
    except (PublishTimeout, ReceiptTimeout) as error:
        typer.echo(f"writegate: {error}", err=True)
        raise typer.Exit(LATE) from error
    typer.echo(to_json(receipt).decode() if json_ else receipt_line(receipt))
    raise typer.Exit(exit_code([receipt.outcome]))


class _Lines:
    """The commands in a stream of JSON objects, one a line. They end at the first line that cannot be read.

    ``wrong`` is then the error to raise, once the commands before that line are published.
    """

    def __init__(self, kind: type[Command], stream: Iterable[str]) -> None:
        self.wrong: WritegateError | None = None
        self._kind = kind
        self._stream = stream
        self._numbers: dict[str, int] = {}

    def __iter__(self) -> Iterator[Command]:
        for number, line in enumerate(self._stream, 1):
            if not line.strip():
                continue
            try:
                command = read_command(self._kind, line)
            except WritegateError as error:
                self.wrong = WritegateError(f"line {number}: {error}")
                return
            self._numbers[command.command_id] = number
            yield command

    def number_of(self, command_id: str) -> int:
        """Return the line number of a command that is not settled."""
        return self._numbers[command_id]

    def settle(self) -> None:
        """Drop the line numbers so far: all their commands are settled, and a stream may be long."""
        self._numbers.clear()


def _publish_all(lines: _Lines, rate: float | None) -> dict[str, Any]:
    progress = Progress("publish", sys.stderr)

    def report(counters: StreamCounters) -> None:
        lines.settle()
        progress(counters)

    counters = publish_stream(publisher(), lines, rate=rate, report=report)
    progress.close(counters)
    return asdict(counters)


def _await_all(lines: _Lines, wait: float) -> dict[str, int]:
    outcomes: Counter[str] = Counter()
    remaining = iter(lines)
    while commands := list(islice(remaining, RECEIPTS_AT_ONCE)):
        for pending in publisher().publish_many(commands, receipt=True):
            try:
                receipt = pending.wait(wait)
            except ReceiptTimeout as error:
                outcomes["late"] += 1
                typer.echo(f"line {lines.number_of(pending.command_id)}: {error}", err=True)
                continue
            outcomes[receipt.outcome] += 1
            if not receipt.succeeded:
                typer.echo(f"line {lines.number_of(receipt.id)}: {receipt_line(receipt)}", err=True)
        lines.settle()
    return {"commands": outcomes.total(), **outcomes}
