"""The command line ``writegate``. Each sub-command is an entry point; only the one that is called is imported."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from pydantic import ValidationError

from writegate.errors import WritegateError, first_wrong_field

if TYPE_CHECKING:
    import typer

GROUP = "writegate.commands"
# The commands of this distribution. Other distributions register theirs as entry points of the same group.
OWN = (
    EntryPoint("contracts", "writegate.cli.contracts:contracts", GROUP),
    EntryPoint("publish", "writegate.cli.publish:publish", GROUP),
)
# Commands for development are in a distribution of their own, which no service installs.
DEVKIT, DEVKIT_COMMANDS = "writegate-devkit", ("service", "stack")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed with one line that says why, 2 wrong usage."""
    try:
        app(sys.argv[1:])()
    except WritegateError as error:
        sys.exit(f"writegate: {error}")
    except ValidationError as error:
        # A value that was typed became a field of a command, and the contract refuses it.
        sys.exit(f"writegate: {first_wrong_field(error)}")


def app(arguments: list[str]) -> typer.Typer:
    """Build the application with the sub-command that ``arguments`` name, or with all of them for the overview.

    Raises :class:`WritegateError` when a package is missing that the command line or the named sub-command needs.
    """
    try:
        import typer  # noqa: PLC0415  an optional extra: its absence is reported in one line
    except ModuleNotFoundError as error:
        raise WritegateError(f"the module {error.name!r} is missing: install the extra, writegate[cli]") from None
    root = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    root.callback(help="Publish database writes as typed commands; one small pool of writers applies them.")(_root)
    commands = {command.name: command for command in (*OWN, *sorted(entry_points(group=GROUP)))}
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    if named in DEVKIT_COMMANDS and named not in commands:
        raise WritegateError(f"`{named}` is a command of {DEVKIT}, which is not installed here: install {DEVKIT}")
    for name, command in commands.items():
        if named is None or named == name or named not in commands:
            _add(root, command, required=named == name)
    return root


def _root() -> None:
    """Do nothing: this function holds the application's help, and stands in for commands that cannot be loaded."""


def _add(root: typer.Typer, command: EntryPoint, *, required: bool) -> None:
    import typer  # noqa: PLC0415  see app()

    try:
        loaded = command.load()
    except ModuleNotFoundError as error:
        text = (
            f"`{command.name}` needs the module {error.name!r}: install what {command.value.partition(':')[0]} asks for"
        )
        if required:
            raise WritegateError(text) from error
        root.command(command.name, help=f"(not usable here: {text})")(_root)
        return
    if not isinstance(loaded, typer.Typer):
        root.command(command.name)(loaded)
    elif len(loaded.registered_commands) == 1 and not loaded.registered_groups and not loaded.registered_callback:
        # An application of one command is that command: `writegate apply`, not `writegate apply apply`.
        only = loaded.registered_commands[0]
        assert only.callback is not None  # noqa: S101  typer registers functions only
        root.command(command.name, help=only.help)(only.callback)
    else:
        root.add_typer(loaded, name=command.name)
