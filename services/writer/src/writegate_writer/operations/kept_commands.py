"""Decoding a parked or deferred command with the installed contracts, which give its key and its lane. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from writegate.contract.command import Command
from writegate.contract.ids import ledger_id
from writegate.contract.json_values import read_json
from writegate.contract.lanes import lane_of
from writegate.contract.service import Service
from writegate.errors import MalformedMessage
from writegate.message.envelope import Item
from writegate_writer.handlers.writes import Writes
from writegate_writer.operations.kept_rows import KeptRow
from writegate_writer.receive.contracts import command_of, contract_key
from writegate_writer.receive.delivery import NotYet


@dataclass(frozen=True, slots=True)
class Placed:
    """A kept command that can be replayed. ``item`` has the key that its contract gives it."""

    row: KeptRow
    item: Item
    lane: int
    ledger_id: str
    command: Command | NotYet


def place(row: KeptRow, services: Mapping[str, Writes]) -> Placed | str:
    """Return the command with its lane, or the reason why it cannot be replayed."""
    writes = services.get(row.service)
    if writes is None:
        return "its service is not installed with the writer"
    try:
        return read(row, writes.service)
    except MalformedMessage as error:
        return f"refused by its contract of today ({error.cause}): see `writegate parked edit`"


def read(row: KeptRow, service: Service) -> Placed:
    """Read a kept command by its contract. Raises :class:`MalformedMessage` with the contract's reason."""
    if row.task is None or not is_object(row.raw):
        raise MalformedMessage("no-fields", "expected a task and its fields as a JSON object")
    item = Item(row.id, row.task, row.version or 1, row.key, row.raw)
    command = command_of(item, service)
    key = contract_key(command, item)
    if isinstance(key, NotYet):
        command, key = key, row.key
    lane = (row.lane or 0) if isinstance(command, NotYet) and key is None else lane_of(key, service.lanes)
    return Placed(row, replace(item, key=key), lane, ledger_id(row.id), command)


def is_object(raw: bytes) -> bool:
    """Whether a body is a JSON object, as the fields of a command are."""
    try:
        return isinstance(read_json(raw), dict)
    except (ValueError, RecursionError):
        return False
