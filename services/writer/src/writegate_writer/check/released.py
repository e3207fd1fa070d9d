"""Contracts as they were released, and as they are now: what a message of then would meet. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from writegate_writer.check.finding import Finding
from writegate_writer.check.narrowing import narrowed

Described = Mapping[str, Any]  # what `writegate contracts --json` prints


def compared(released: Described, today: Described) -> list[Finding]:
    """Return what of the released contracts today's do not take. Services that are not there today are left out."""
    services = {service["name"]: service for service in today["services"]}
    return [
        Finding("released", then["name"], command["task"], command["version"], why)
        for then in released["services"]
        if then["name"] in services
        for command in then["commands"]
        for why in _command(command, services[then["name"]])
    ]


def _command(then: Mapping[str, Any], service: Mapping[str, Any]) -> Iterator[str]:
    now = next((command for command in service["commands"] if command["task"] == then["task"]), None)
    if now is None:
        yield "the command is gone: its messages would be parked"
        return
    if now["version"] < then["version"]:
        yield f"its version is {now['version']} now: newer messages would wait for a writer that knows theirs"
        return
    if now["key"] != then["key"]:
        yield f"its key was {_key(then['key'])} and is {_key(now['key'])}: messages with the old one would be parked"
    for version in then["upgrades_from"]:
        if version not in now["upgrades_from"]:
            yield f"the upgrade from version {version} is gone"
    if now["version"] == then["version"] or not now["upgrades_from"]:
        # They are read as they are.
        yield from narrowed(then["schema"], now["schema"])
    elif then["version"] not in now["upgrades_from"]:
        yield f"there is no upgrade from version {then['version']}: its messages would be parked"


def _key(rule: Mapping[str, Any] | None) -> str:
    if rule is None:
        return "none"
    return "/".join(rule["fields"]) if "fields" in rule else str(rule["function"])
