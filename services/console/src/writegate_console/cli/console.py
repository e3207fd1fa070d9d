"""``writegate console``: serve the page; ``writegate console user``: who may log in."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from writegate.cli.output import Json, print_json, print_table
from writegate.config import Settings
from writegate.errors import SettingsError
from writegate_console import users
from writegate_console.users import Role

STOP_SECONDS = 3  # open pages hold a stream that never ends by itself: after this it is cut

console = typer.Typer(help="Serve the page for operators; manage who may log in.")
user = typer.Typer(no_args_is_help=True, help="Who may log in, in the file WRITEGATE_CONSOLE_USERS.")
console.add_typer(user, name="user")

Name = Annotated[str, typer.Argument(help="The user's name.", show_default=False)]


@console.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """Serve the page on WRITEGATE_HTTP_HOST and WRITEGATE_HTTP_PORT until SIGTERM or Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    import uvicorn  # noqa: PLC0415  for serving only, not for who may log in

    settings = Settings.load(need=("database_url", "broker_url"))
    # No proxy headers here: the application itself decides which proxies may say where a request comes from.
    uvicorn.run(
        "writegate_console.web.app:app",
        http="writegate.integrations.uvicorn:TimedProtocol",
        host=settings.http_host,
        port=settings.http_port,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


@user.command("add")
def add(
    name: Name,
    *,
    role: Annotated[Role, typer.Option(help="reader: may read; operator: may act as well.")] = "reader",
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password; by default it is typed.", dir_okay=False)
    ] = None,
) -> None:
    """Add a user, or give one another password or role. Exit code 0: done, 1: failed."""
    users.add_user(_users_file(), name, role, _password(password_file))
    typer.echo(f"{name} may log in as {role}")


@user.command("remove")
def remove(name: Name) -> None:
    """Remove a user, whose sessions end at once. Exit code 0: done, 1: there is none."""
    users.remove_user(_users_file(), name)
    typer.echo(f"{name} may not log in any more")


@user.command("list")
def list_names(*, json_: Json = False) -> None:
    """List the users."""
    found = users.list_users(_users_file())
    if json_:
        print_json([{"name": known.name, "role": known.role} for known in found])
    else:
        print_table(("name", "role"), ((known.name, known.role) for known in found))


def _users_file() -> Path:
    return Path(Settings.load(need=("console_users",)).console_users)


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text().strip("\r\n")
        except OSError as error:
            raise SettingsError(f"cannot read the password: {error}") from error
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip("\r\n")
    typed = getpass.getpass("password: ")
    if getpass.getpass("again: ") != typed:
        raise SettingsError("the two passwords differ")
    return typed
