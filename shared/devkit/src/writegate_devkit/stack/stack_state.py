"""What a stack keeps between two starts: ports, settings and passwords, in two private files."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from writegate_devkit.stack import ports
from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.home import Home

# One connection for each slot and one for control: the first writer takes them all, the second stands by.
DEFAULT_SETTINGS = {"WRITEGATE_CONNECTIONS": "5", "WRITEGATE_SLOTS": "4"}


@dataclass(frozen=True)
class StackState:
    """``ports`` by name, ``settings`` for every writer and service, ``passwords`` by broker user and database role."""

    ports: Mapping[str, int]
    settings: Mapping[str, str]
    passwords: Mapping[str, str] = field(repr=False)


def read_state(home: Home) -> StackState:
    """Read the stored state. Raises :class:`StackError` when this stack was never started."""
    try:
        stack = json.loads(_stack_file(home).read_text())
        passwords = json.loads(_password_file(home).read_text())
    except FileNotFoundError:
        raise StackError(
            f"there is no stack in {home.named}: start it with `writegate stack up` (or `make up`)"
        ) from None
    return StackState(stack["ports"], stack["settings"], passwords)


def renew(home: Home, *, port_names: Iterable[str], users: Iterable[str], settings: Mapping[str, str]) -> StackState:
    """Keep stored values that are still usable, add what is missing, and store it. Only while nothing runs."""
    before = (
        read_state(home) if _stack_file(home).is_file() and _password_file(home).is_file() else StackState({}, {}, {})
    )
    state = StackState(
        ports.choose(port_names, before.ports),
        {**DEFAULT_SETTINGS, "WRITEGATE_SPOOL_DIRECTORY": str(home.state / "spool"), **settings},
        # Hexadecimal: it needs no quoting in URLs, configuration files or shells.
        {user: before.passwords.get(user) or secrets.token_hex(16) for user in users},
    )
    _write_private(_password_file(home), json.dumps(state.passwords, indent=2))
    stack = {"checkout": str(home.checkout), "ports": state.ports, "settings": state.settings}
    _write_private(_stack_file(home), json.dumps(stack, indent=2))
    return state


def with_passwords(home: Home, users: Iterable[str]) -> StackState:
    """Read the state, and add passwords for ``users`` without one: services that were installed since the start."""
    state = read_state(home)
    added = {user: secrets.token_hex(16) for user in users if user not in state.passwords}
    if not added:
        return state
    passwords = {**state.passwords, **added}
    _write_private(_password_file(home), json.dumps(passwords, indent=2))
    return replace(state, passwords=passwords)


def _stack_file(home: Home) -> Path:
    return home.state / "stack.json"


def _password_file(home: Home) -> Path:
    return home.state / "passwords.json"


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
    new.replace(path)
