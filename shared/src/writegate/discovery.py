"""Finding the contracts that are installed here: entry points of the group ``writegate.contracts``.

They are in each service's base distribution; what the writer loads is another group, ``writegate.services``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.metadata import entry_points

from pydantic import ValidationError

from writegate.command import Command, contract_of
from writegate.errors import DeclarationError, WritegateError
from writegate.integrations.http import invalid
from writegate.service import Service

GROUP = "writegate.contracts"


def load_contracts() -> list[Service]:
    """Return every service whose contract is installed.

    Raises :class:`DeclarationError` for one that cannot be imported.
    """
    found: list[Service] = []
    for point in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        try:
            service = point.load()
        except (ImportError, AttributeError) as error:
            raise DeclarationError(f"contract {point.name}: cannot import {point.value}: {error}") from error
        if not isinstance(service, Service):
            raise DeclarationError(
                f"contract {point.name}: {point.value} is {type(service).__name__}, expected a Service"
            )
        found.append(service)
    return found


def command_named(task: str, services: Iterable[Service]) -> type[Command]:
    """Return the command type of this task name; :class:`DeclarationError` names the nearest when there is none."""
    commands = {name: command for service in services for name, command in service.commands.items()}
    if task in commands:
        return commands[task]
    if not commands:
        raise DeclarationError("no contracts are installed here: install the distribution of the service to write to")
    near = get_close_matches(task, commands, cutoff=0.5)
    told = f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(sorted(commands))}"
    raise DeclarationError(f"no command is called {task!r}: {told}")


def read_command(kind: type[Command], text: str) -> Command:
    """Read a command from JSON that a person wrote; :class:`WritegateError` with one line that says what is wrong."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{one['path'] or 'all of it'}: {one['message']}" for one in invalid(error).body["errors"])
        raise WritegateError(f"{contract_of(kind).task}: {wrong}") from error
