"""Contracts as plain data, as ``writegate contracts --json`` prints them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from writegate.contract.command import Command, KeyRule, contract_of
from writegate.contract.service import Service
from writegate.message.topology import exchange_name


def describe(services: Iterable[Service]) -> dict[str, Any]:
    """Return ``{"services": [...]}``: each service with its exchange, lanes and commands."""
    return {"services": [_service(service) for service in services]}


def _service(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "exchange": exchange_name(service.name),
        "lanes": service.lanes,
        "keys_own_rows": service.keys_own_rows,
        "retention_days": service.retention.days,
        "commands": [_command(kind) for kind in service.commands.values()],
    }


def _command(kind: type[Command]) -> dict[str, Any]:
    contract = contract_of(kind)
    return {
        "task": contract.task,
        "version": contract.version,
        "upgrades_from": list(contract.upgrades),
        "key": key_rule(contract.key),
        "on_reject": contract.on_reject,
        "schema": kind.model_json_schema(mode="validation"),
    }


def key_rule(key: KeyRule) -> dict[str, Any] | None:
    """Return how a key is made: ``{"fields": [...]}``, joined by ``/``, or ``{"function": name}``; None: no key."""
    match key:
        case None:
            return None
        case str():
            return {"fields": [key]}
        case tuple():
            return {"fields": list(key)}
    return {"function": f"{key.__module__}:{key.__qualname__}"}
