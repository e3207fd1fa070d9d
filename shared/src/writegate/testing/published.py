"""Reads published messages, and explains how they differ from what a test expected. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from writegate.contract.command import Command, contract_of, key_of
from writegate.contract.service import Service
from writegate.errors import WritegateError
from writegate.message.envelope import LOOKUP_TASK, Item, decode
from writegate.testing.memory_node import Sent

_MOST_LISTED = 20


def commands_in(sent: Sent, services: Mapping[str, Service]) -> list[Command]:
    """Return the commands in a message. A lookup of a command is left out."""
    items = decode(sent.body, sent.properties.headers, {"content_type": sent.properties.content_type})
    return [_command(item, services) for item in items if item.task != LOOKUP_TASK]


def _command(item: Item, services: Mapping[str, Service]) -> Command:
    service = services.get(item.task.partition(".")[0])
    kind = service.commands.get(item.task) if service is not None else None
    if kind is None:
        raise WritegateError(f"{item.task} was published, and no declared service has it: declare that service")
    return kind.model_validate_json(item.fields).with_id(item.id)


def difference(
    published: Sequence[Command], kind: type[Command], key: str | None, times: int | None, fields: Mapping[str, Any]
) -> str | None:
    """Return a message when the published commands do not contain the expected ones, else None."""
    if unknown := sorted(set(fields) - set(kind.model_fields)):
        known = ", ".join(kind.model_fields)
        raise TypeError(f"{kind.__name__} has no field {unknown[0]!r}: expected one of {known}")
    found = sum(
        type(command) is kind
        and (key is None or key_of(command) == key)
        and all(getattr(command, name) == value for name, value in fields.items())
        for command in published
    )
    if found == times or (times is None and found):
        return None
    wanted = [contract_of(kind).task]
    wanted += [f"key={key!r}"] if key is not None else []
    wanted += [f"{name}={value!r}" for name, value in fields.items()]
    often = "at least once" if times is None else _times(times)
    return f"expected {' '.join(wanted)} {often}, found it {_times(found)}; published were:\n{_listed(published)}"


def _times(number: int) -> str:
    return "1 time" if number == 1 else f"{number} times"


def _listed(published: Sequence[Command]) -> str:
    lines = [f"  {contract_of(command).task} key={key_of(command)!r} {command}" for command in published[:_MOST_LISTED]]
    if len(published) > _MOST_LISTED:
        lines.append(f"  and {len(published) - _MOST_LISTED} more")
    return "\n".join(lines) or "  nothing"
