"""The command line ``writegate``. Each sub-command is an entry point; only the one that is called is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint, distribution, entry_points
from typing import TYPE_CHECKING, Any

from writegate.cli.summaries import summary_of
from writegate.errors import WritegateError, first_wrong_field

if TYPE_CHECKING:
    import typer

GROUP = "writegate.commands"
# The commands of this distribution. Other distributions register theirs as entry points of the same group.
OWN = (
    EntryPoint("contracts", "writegate.cli.contracts:contracts", GROUP),
    EntryPoint("publish", "writegate.cli.publish:publish", GROUP),
)
# A command whose entry point has a dot in its name is one of a group, to which several distributions may add.
GROUPS = {"service": "Add a service to a checkout, remove one from the gate."}
# Commands for development are in a distribution of their own, which no service installs.
DEVKIT, DEVKIT_COMMANDS = "writegate-devkit", ("service", "stack")
# Shells ask for completions with the line so far in one of these, and without arguments.
_COMPLETED_LINES = ("_TYPER_COMPLETE_ARGS", "COMP_WORDS")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed with one line that says why, 2 wrong usage."""
    try:
        try:
            app(_typed_words())()
        finally:
            sys.stdout.flush()  # it may be what fails: then it is to be said here
    except WritegateError as error:
        sys.exit(f"writegate: {error}")
    except OSError as error:
        # Of this machine: a file that cannot be written, a full disk under the output. To a reader that has left, and
        # closed the pipe, nothing is to be said.
        _discard_output()
        sys.exit(1 if isinstance(error, BrokenPipeError) else f"writegate: {error}")
    except ValueError as error:
        from pydantic import ValidationError  # noqa: PLC0415  the overview does without

        if not isinstance(error, ValidationError):
            raise
        # A value that was typed became a field of a command, and the contract refuses it.
        sys.exit(f"writegate: {first_wrong_field(error)}")


def _discard_output() -> None:
    """Leave nothing to be written when the interpreter ends: it would fail again, and the exit code would be 120."""
    with suppress(OSError), open(os.devnull, "w") as nothing:  # noqa: PTH123  the command line starts without pathlib
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _typed_words() -> list[str]:
    if "_WRITEGATE_COMPLETE" in os.environ:
        line = next((os.environ[name] for name in _COMPLETED_LINES if name in os.environ), "")
        return line.split()[1:]
    return sys.argv[1:]


def app(arguments: Sequence[str]) -> typer.Typer:
    """Build the application with the sub-command that ``arguments`` name, or with the help of all of them.

    Raises :class:`WritegateError` when a package is missing that the command line or the named sub-command needs.
    """
    try:
        import typer  # noqa: PLC0415  an optional extra: its absence is reported in one line
    except ModuleNotFoundError as error:
        raise WritegateError(f"the module {error.name!r} is missing: install the extra, writegate[cli]") from None
    # Plain help and plain errors: frames break ids and paths at the edge, and take as long to load as all the rest.
    root = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    version = typer.Option(False, "--version", help="Show the installed versions.", is_eager=True, callback=_version)

    # Not at the top of the module: its default is typer's, and an annotation would have to find typer there.
    def options(*, version: bool = version) -> None: ...

    root.callback(help="Publish database writes as typed commands; one small pool of writers applies them.")(options)
    commands = {command.name: command for command in (*OWN, *sorted(entry_points(group=GROUP)))}
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    grouped = [command for name, command in commands.items() if name.startswith(f"{named}.")]
    if grouped:
        words = [argument for argument in arguments if not argument.startswith("-")]
        root.add_typer(_group(grouped, words[1] if len(words) > 1 else None), name=named)
        return root
    if named in DEVKIT_COMMANDS and named not in commands:
        raise WritegateError(f"`{named}` is a command of {DEVKIT}, which is not installed here: install {DEVKIT}")
    if named in commands:
        _add(root, commands[named])
    else:
        # In the order of their names, after our own; of a group only its own help.
        first_words = {name.partition(".")[0]: command for name, command in commands.items()}
        for name, command in first_words.items():
            root.command(name, help=GROUPS.get(name) or summary_of(command))(_not_called)
    return root


def _group(commands: Sequence[EntryPoint], named: str | None) -> typer.Typer:
    """Build a group with the command that is named, or with the help of all of them."""
    import typer  # noqa: PLC0415  see app()

    group = typer.Typer(no_args_is_help=True, help=GROUPS.get(commands[0].name.partition(".")[0], ""))
    group.callback()(_not_called)  # so that one command alone stays a command of the group
    shorts = {command.name.partition(".")[2]: command for command in commands}
    for short, command in shorts.items():
        if named == short:
            group.command(short)(_loaded(command))
        elif named not in shorts:
            group.command(short, help=summary_of(command))(_not_called)
    return group


def _not_called() -> None:
    """Stand in for a command in the overview, which shows its help and does not load it."""


def _version(wanted: bool) -> None:
    if wanted:
        names = {"writegate", *(command.dist.name for command in entry_points(group=GROUP) if command.dist)}
        for name in sorted(names):
            print(name, distribution(name).version)  # noqa: T201  typer is optional here
        print(f"Python {sys.version.split()[0]}")  # noqa: T201
        sys.exit(0)


def _add(root: typer.Typer, command: EntryPoint) -> None:
    import typer  # noqa: PLC0415  see app()

    loaded = _loaded(command)
    if not isinstance(loaded, typer.Typer):
        root.command(command.name)(loaded)
    elif len(loaded.registered_commands) == 1 and not loaded.registered_groups and not loaded.registered_callback:
        # An application of one command is that command: `writegate apply`, not `writegate apply apply`.
        only = loaded.registered_commands[0]
        assert only.callback is not None  # noqa: S101  typer registers functions only
        root.command(command.name, help=only.help)(only.callback)
    else:
        root.add_typer(loaded, name=command.name)


def _loaded(command: EntryPoint) -> Any:
    try:
        return command.load()
    except ModuleNotFoundError as error:
        raise WritegateError(
            f"`{command.name}` needs the module {error.name!r}: install what {command.value.partition(':')[0]} asks for"
        ) from error
