"""Commands that are refused in every way."""

from __future__ import annotations

from typing import Literal

from writegate import Command, Service


class Put(Command, key="account"):
    """Book 1, unless it is told to fail.

    ``how``: by a trigger of its row, by one that is checked at COMMIT, by a statement of the handler, by an exception
    of the handler, by a handler that goes on after an error. ``sqlstate``: what is raised.
    """

    account: str
    how: Literal["", "trigger", "commit", "handler", "bug", "goes on"] = ""
    sqlstate: str = ""
    text: str = ""


class Note(Command, key="account"):
    """Book 1: another command type of the same tables."""

    account: str


class Keep(Command, key="account"):
    """Insert or overwrite a row by a ready-made handler."""

    account: str
    text: str


class Touch(Command, key="account"):
    """Overwrite a row of a table that is published."""

    account: str


refusing = Service("refusing", commands=[Put, Note, Keep, Touch])
