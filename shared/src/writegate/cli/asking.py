"""Asking before something is changed."""

from __future__ import annotations

import sys

import typer


def confirm(question: str) -> None:
    """Ask whether to go on; end the command with exit code 1 when the answer is no.

    Raises :class:`typer.BadParameter` (exit code 2) when no person can answer, as in a script: a pipe that never
    answers would keep it waiting for ever.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"there is no terminal to ask {question!r} on: add --yes, and nothing is asked")
    typer.confirm(question, abort=True)
