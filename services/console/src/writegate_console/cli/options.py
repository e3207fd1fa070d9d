"""Options and arguments that several commands take."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET",
        help="flights | flights.0 | flights.record_departure | flights key=UA123 | table:airport_day",
        show_default=False,
    ),
]


def text_of(name: str, most: int, least: int = 0) -> Callable[[str], str]:
    """Return what checks a text that an operation carries. It raises :class:`typer.BadParameter`."""

    def check(text: str) -> str:
        if not least <= len(text) <= most or _no_text(text):
            raise typer.BadParameter(f"expected {name} of {least} to {most} characters")
        return text

    return check


def _no_text(text: str) -> bool:
    """Whether a text has bytes that the shell passed on and that are no characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


By = Annotated[
    str,
    typer.Option(
        "--by", help="Who does it, for the audit; by default who is logged in here.", callback=text_of("a name", 200)
    ),
]
Reason = Annotated[
    str,
    typer.Option(
        "--reason", help="Why, for the audit and for those who meet it.", callback=text_of("a text", 1000, least=1)
    ),
]


def me() -> str:
    """Return who is logged in here."""
    return getpass.getuser()


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Turn a :class:`ValueError` about what was typed into wrong usage (exit code 2)."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
