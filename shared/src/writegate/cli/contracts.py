"""``writegate contracts``: the installed contracts as a table, as JSON, or as an AsyncAPI document."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from writegate.catalog.asyncapi import asyncapi
from writegate.catalog.description import describe
from writegate.catalog.installed import installed_services
from writegate.cli.output import print_table
from writegate.contract.service import Service
from writegate.errors import DeclarationError


def contracts(
    *,
    service: Annotated[str | None, typer.Option("--service", help="This service only.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, with the schema of each command.")] = False,
    asyncapi_: Annotated[bool, typer.Option("--asyncapi", help="Print an AsyncAPI 3.0 document.")] = False,
) -> None:
    """Show the commands of the services installed here. Exit code 0: shown, 1: failed."""
    chosen = _chosen(service)
    if asyncapi_:
        typer.echo(json.dumps(asyncapi(chosen), indent=2))
    elif json_:
        typer.echo(json.dumps(describe(chosen), indent=2))
    else:
        _show(describe(chosen)["services"])


def _chosen(name: str | None) -> list[Service]:
    installed = installed_services()
    if name is None:
        return list(installed.values())
    if name not in installed:
        names = ", ".join(installed) or "none"
        raise DeclarationError(f"no contract of {name!r} is installed here; there are: {names}")
    return [installed[name]]


def _show(services: list[dict[str, Any]]) -> None:
    rows = (
        (command["task"], _versions(command), _key(command["key"]), command["on_reject"], service["lanes"])
        for service in services
        for command in service["commands"]
    )
    print_table(("task", "version", "key", "when rejected", "lanes"), rows)


def _versions(command: dict[str, Any]) -> str:
    older = command["upgrades_from"]
    return f"{command['version']} (from {older[0]} on)" if older else str(command["version"])


def _key(rule: dict[str, Any] | None) -> str:
    if rule is None:
        return "-"
    return "/".join(rule["fields"]) if "fields" in rule else f"{rule['function'].rpartition(':')[2]}()"
