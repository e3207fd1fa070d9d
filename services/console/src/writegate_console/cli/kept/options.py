"""Which parked or deferred commands: the filters that all subcommands share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from writegate.contract.operations import Selection
from writegate.errors import first_wrong_field
from writegate_console.cli.options import wrong_usage
from writegate_console.gate.durations import time_before

Numbers = Annotated[
    list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Those with these numbers.", show_default=False)
]
OfService = Annotated[str | None, typer.Option("--service", help="Those of a service.", show_default=False)]
OfCause = Annotated[
    str | None, typer.Option("--cause", help="Those kept for a cause, as the list shows it.", show_default=False)
]
OfCommand = Annotated[
    str | None, typer.Option("--command", help="Those of a type, such as flights.record_departure.", show_default=False)
]
OfKey = Annotated[str | None, typer.Option("--key", help="Those of a key.", show_default=False)]
OfId = Annotated[str | None, typer.Option("--id", help="The one with this id.", show_default=False)]
WithText = Annotated[str | None, typer.Option("--text", help="Those with this text in their body.", show_default=False)]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", help="Those kept since then: 2013-01-01T12:00, or 2h for two hours ago.", show_default=False
    ),
]
Before = Annotated[
    str | None, typer.Option("--before", help="Those kept before then, in the same forms.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="All that there are, when no filter is given.")]


def require_filter(selection: Selection, *, all_: bool) -> None:
    """Raise :class:`typer.BadParameter` without any filter: an empty variable in a script must not mean all."""
    if selection == Selection() and not all_:
        raise typer.BadParameter("nothing says which commands: give numbers or a filter, or --all")


def selection_of(  # noqa: PLR0913, PLR0917  as many as there are options
    numbers: list[int] | None,
    service: str | None,
    cause: str | None,
    command: str | None,
    key: str | None,
    id_: str | None,
    text: str | None,
    since: str | None,
    before: str | None,
) -> Selection:
    """Return the filters as a selection. Raises :class:`typer.BadParameter`."""
    times = {"since": parse_time(since, datetime.now(UTC)), "before": parse_time(before, datetime.now(UTC))}
    try:
        return Selection(
            numbers=tuple(numbers) if numbers else None,
            service=service,
            cause=cause,
            task=command,
            key=key,
            id=id_,
            text=text,
            **times,
        )
    except ValidationError as error:
        raise typer.BadParameter(first_wrong_field(error)) from None


def parse_time(text: str | None, now: datetime) -> datetime | None:
    """Read a time, or a duration before now. Without a zone it is local time. Raises :class:`typer.BadParameter`."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        with wrong_usage():
            return time_before(now, text)
