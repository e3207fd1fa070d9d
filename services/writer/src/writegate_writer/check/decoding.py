"""Whether the installed contracts accept stored commands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from writegate.contract.service import Service
from writegate.errors import MalformedMessage
from writegate.message.envelope import Item
from writegate_writer.check.finding import Finding, Where
from writegate_writer.receive.contracts import command_and_key
from writegate_writer.receive.delivery import NotYet


@dataclass(frozen=True, slots=True)
class Kept:
    """A command that is stored in a table: a writer has decoded it before, or will."""

    where: Where
    service: str
    item: Item


@dataclass(slots=True)
class Decoded:
    """``commands``: how many were read again. ``findings``: by what is wrong, the oldest command first."""

    commands: int
    findings: list[Finding]


def decoded(kept: Iterable[Kept], services: Mapping[str, Service]) -> Decoded:
    """Read commands again, oldest first, as a writer with these contracts does."""
    found: dict[tuple[str, ...], Finding] = {}
    commands = 0
    for command in kept:
        commands += 1
        if (why := refusal(command, services[command.service])) is not None:
            item = command.item
            new = Finding(command.where, command.service, item.task, item.version, why, 0, item.id)
            group = (command.where, item.task, str(item.version), why)
            finding = found.get(group, new)
            found[group] = replace(finding, rows=(finding.rows or 0) + 1)
    return Decoded(commands, list(found.values()))


def refusal(kept: Kept, service: Service) -> str | None:
    """Return why a command could not be applied any more; None when it could.

    A deferred one of a version that is not known yet waits for a newer contract, and goes on waiting. Any other was
    read before: not to know its version is a step back.
    """
    try:
        command, _ = command_and_key(kept.item, service)
    except MalformedMessage as error:
        return str(error)
    if isinstance(command, NotYet) and (command.broken or kept.where != "deferred"):
        return command.reason
    return None
