"""Finding a command by the name that a person typed, and reading its fields."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError

from writegate.contract.command import Command, contract_of
from writegate.contract.service import Service
from writegate.errors import DeclarationError, WritegateError, wrong_fields


def find_command(task: str, services: Iterable[Service]) -> type[Command]:
    """Return the command type of a task name. Raises :class:`DeclarationError`, which suggests similar names."""
    commands = {name: command for service in services for name, command in service.commands.items()}
    if task in commands:
        return commands[task]
    if not commands:
        raise DeclarationError("no contracts are installed here: install the distribution of the service to write to")
    raise DeclarationError(f"no command is called {task!r}: {suggestion(task, commands)}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a hint for somebody who typed an unknown name: similar names, or all known ones."""
    known = sorted(known)
    near = get_close_matches(name, known, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(known)}"


def read_command(kind: type[Command], text: str) -> Command:
    """Read a command from JSON that a person wrote. Raises :class:`WritegateError` with one line: all wrong fields."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{field['path'] or 'fields'}: {field['message']}" for field in wrong_fields(error))
        raise WritegateError(f"{contract_of(kind).task}: {wrong}") from error
