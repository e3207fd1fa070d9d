"""Options and arguments that several commands take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

TargetWords = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET",
        help="flights | flights.0 | flights.record_departure | flights key=UA123 | table:airport_day",
        show_default=False,
    ),
]


def text_check(name: str, most: int, least: int = 0) -> Callable[[str], str]:
    """Return a callback that checks the length of a text. It raises :class:`typer.BadParameter`."""

    def check(text: str) -> str:
        if not least <= len(text) <= most or _has_undecodable_bytes(text):
            raise typer.BadParameter(f"expected {name} of {least} to {most} characters")
        return text

    return check


def _has_undecodable_bytes(text: str) -> bool:
    """Whether the shell passed bytes that are no characters in its encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


By = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who does it, for the audit; by default the user who is logged in here.",
        callback=text_check("a name", 200),
    ),
]
Reason = Annotated[
    str,
    typer.Option(
        "--reason",
        help="Why, for the audit and for everybody who sees it.",
        callback=text_check("a text", 1000, least=1),
    ),
]


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Turn a :class:`ValueError` about an argument into wrong usage (exit code 2)."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
