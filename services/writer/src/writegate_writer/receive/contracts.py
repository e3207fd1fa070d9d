"""Making an item a command of today's contract: its type, version, fields and key. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from pydantic import ValidationError

from writegate.contract.command import Command, Contract, contract_of, identify, key_of
from writegate.contract.json_values import read_json, write_json
from writegate.contract.service import Service
from writegate.errors import MalformedMessage, first_wrong_field
from writegate.message.envelope import Item
from writegate.message.validation import is_key
from writegate_writer.receive.delivery import NotYet

# In JSON as the decoder writes it; a backslash before it would make it the text of an escape.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


MOST_VERSIONS_AHEAD: Final = 10
"""People count versions one by one: nobody publishes one so far ahead of a writer that still runs."""

# What code of a contract's own (validators, key rules, upgrades) raises for fields that it does not take.
_OF_THE_COMMAND = (ValueError, LookupError, ArithmeticError)


def command_and_key(item: Item, service: Service) -> tuple[Command | NotYet, str | None]:
    """Return the command in an item, or why it has to wait for another writer, and its key.

    Raises :class:`MalformedMessage` as :func:`command_of` does, and when the key is not the one that the item has.
    """
    command = command_of(item, service)
    key = contract_key(command, item)
    if isinstance(key, NotYet):
        command, key = key, item.key
    if item.key is not None and item.key != key:
        raise MalformedMessage("wrong-key", f"expected the key {key!r} that the fields give, got {item.key!r}")
    return command, key


def contract_key(command: Command | NotYet, item: Item) -> str | NotYet | None:
    """Return the key of a command by its contract, or why it has to wait for another writer.

    Raises :class:`MalformedMessage` when its fields give none.
    """
    if isinstance(command, NotYet):
        return item.key  # the command cannot be read: there is only the key that the producer sent
    try:
        key: object = key_of(command)  # `object`: the rule is a service's code, which may return anything
    except _OF_THE_COMMAND as error:
        raise MalformedMessage("bad-fields", f"{item.task}: its key cannot be computed: {error!r}") from error
    except Exception as error:  # noqa: BLE001  as for an upgrade: the rule has a mistake, the command has none
        return NotYet(f"the key of {item.task} cannot be computed: {error!r}", broken=True)
    if key is None or is_key(key):
        return key
    if not isinstance(key, str):
        return NotYet(f"the key of {item.task} is {type(key).__name__}, not text", broken=True)
    raise MalformedMessage("bad-fields", f"{item.task}: its key is too long, or text that PostgreSQL cannot store")


def command_of(item: Item, service: Service) -> Command | NotYet:
    """Return the command in an item, or why it has to wait for another writer.

    Raises :class:`MalformedMessage` when it is no command of the service or its fields fail the contract.
    """
    kind = service.commands.get(item.task)
    if kind is None:
        names = ", ".join(sorted(service.commands))
        raise MalformedMessage("unknown-task", f"expected one of {names}; got {item.task}")
    contract = contract_of(kind)
    if item.version > contract.version + MOST_VERSIONS_AHEAD:
        text = f"expected a version of {item.task} up to {contract.version + MOST_VERSIONS_AHEAD}, got {item.version}"
        raise MalformedMessage("unknown-version", text)
    if item.version > contract.version:
        return NotYet(f"version {item.version} of {item.task} is newer than this writer", newer=True)
    if b"\\u0000" in item.fields and _NUL.search(item.fields):
        raise MalformedMessage("bad-fields", f"{item.task}: text with a NUL character, which PostgreSQL cannot store")
    fields = _of_today(item, contract)
    if isinstance(fields, NotYet):
        return fields
    plain = item.plain and fields is item.fields
    try:
        # What is plain needs no look at its numbers, and pydantic's look at its options takes as long as a field.
        command = kind.__pydantic_validator__.validate_json(fields) if plain else kind.model_validate_json(fields)
    except ValidationError as error:
        text = f"{item.task} version {item.version}, {first_wrong_field(error)}"
        raise MalformedMessage("bad-fields", text) from error
    except _OF_THE_COMMAND as error:
        raise MalformedMessage("bad-fields", f"{item.task} version {item.version}: {error!r}") from error
    except Exception as error:  # noqa: BLE001  a validator of the contract's own has a mistake, the command has none
        return NotYet(f"the contract of {item.task} cannot read it: {error!r}", broken=True)
    identify(command, item.id)
    return command


def _of_today(item: Item, contract: Contract) -> bytes | NotYet:
    """Return an item's fields as today's contract has them, upgraded version by version."""
    if item.version == contract.version or not contract.upgrades:
        return item.fields
    if item.version not in contract.upgrades:
        raise MalformedMessage(
            "old-version",
            f"expected version {min(contract.upgrades)} of {item.task} or later, from which its contract has upgrades; "
            f"got version {item.version}",
        )
    fields: Any = read_json(item.fields)
    for version in range(item.version, contract.version):
        try:
            fields = contract.upgrades[version](fields)
        except _OF_THE_COMMAND as error:
            text = f"the upgrade from version {version} does not take it: {error!r}"
            raise MalformedMessage("bad-fields", f"{item.task} version {item.version}: {text}") from error
        except Exception as error:  # noqa: BLE001  whatever it is: the upgrade has a mistake, the command has none
            return NotYet(f"the upgrade of {item.task} from version {version} failed: {error!r}", broken=True)
        if not isinstance(fields, dict):
            what = type(fields).__name__
            return NotYet(f"the upgrade of {item.task} from version {version} returned {what}, not a dict", broken=True)
    try:
        return write_json(fields)
    except ValueError as error:
        return NotYet(f"the upgrades of {item.task} returned what is no JSON: {error}", broken=True)
