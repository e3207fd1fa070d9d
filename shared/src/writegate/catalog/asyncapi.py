"""Contracts as an AsyncAPI document (asyncapi.com, version 3.0.0), for producers in any language. Pure.

The application is the gate, which receives. A channel is a service's exchange; its address, the routing key, is the
lane. A payload is the whole body of a Celery message, described in JSON Schema draft 7, on which AsyncAPI builds.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from writegate.catalog.description import key_rule
from writegate.contract.command import Command, contract_of
from writegate.contract.service import Service
from writegate.message.body import MAX_BODY_BYTES
from writegate.message.envelope import KEY_HEADER, VERSION_HEADER
from writegate.message.topology import ANY, exchange_name
from writegate.message.validation import MAX_ID_BYTES, MAX_KEY_CHARS

_BINDINGS = "0.3.0"  # of AMQP
_NOTHING = {"type": "null"}


def asyncapi(services: Iterable[Service]) -> dict[str, Any]:
    """Return the AsyncAPI document of these services."""
    listed = list(services)
    kinds = [kind for service in listed for kind in service.commands.values()]
    refs, schemas = models_json_schema(
        [(kind, "validation") for kind in kinds], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Writegate",
            "version": version("writegate"),
            "description": "Commands that a write gate in front of PostgreSQL takes, as Celery messages over AMQP.",
        },
        "defaultContentType": "application/json",
        "channels": {service.name: _channel(service) for service in listed},
        "operations": {contract_of(kind).task: _operation(kind) for kind in kinds},
        "components": {
            "messages": {contract_of(kind).task: _message(kind, refs[kind, "validation"]) for kind in kinds},
            "schemas": schemas.get("$defs", {}),
        },
    }


def _channel(service: Service) -> dict[str, Any]:
    exchange = {"name": exchange_name(service.name), "type": "direct", "durable": True, "autoDelete": False}
    lanes = [str(lane) for lane in range(service.lanes)]
    return {
        "address": "{lane}",
        "parameters": {
            "lane": {
                "enum": [*lanes, ANY],
                "default": ANY,
                "description": f"CRC-32 of the UTF-8 key modulo {service.lanes}, 0 without a key; {ANY!r} if unknown",
            }
        },
        "messages": {task: {"$ref": f"#/components/messages/{task}"} for task in service.commands},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": _BINDINGS}},
    }


def _operation(kind: type[Command]) -> dict[str, Any]:
    contract = contract_of(kind)
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{contract.service}"},
        "messages": [{"$ref": f"#/channels/{contract.service}/messages/{contract.task}"}],
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "bindingVersion": _BINDINGS}},
    }


def _message(kind: type[Command], fields: dict[str, Any]) -> dict[str, Any]:
    contract = contract_of(kind)
    message = {
        "name": contract.task,
        "contentType": "application/json",
        "correlationId": {"location": "$message.header#/id"},
        "headers": _headers(kind),
        "payload": {
            "type": "array",
            "items": [{"type": "array", "maxItems": 0}, fields, _embed()],
            "minItems": 3,
            "additionalItems": False,
            "description": f"[args, kwargs, embed] of Celery's protocol 2, at most {MAX_BODY_BYTES} bytes",
        },
        "bindings": {"amqp": {"contentEncoding": "utf-8", "messageType": contract.task, "bindingVersion": _BINDINGS}},
    }
    return message | ({"description": kind.__doc__} if kind.__doc__ else {})


def _headers(kind: type[Command]) -> dict[str, Any]:
    contract = contract_of(kind)
    # A message without a version header has version 1.
    required = ["task", "id"] if contract.version == 1 else ["task", "id", VERSION_HEADER]
    properties: dict[str, Any] = {
        "task": {"const": contract.task},
        "id": {"type": "string", "minLength": 1, "maxLength": MAX_ID_BYTES},
        VERSION_HEADER: {"const": contract.version},
    }
    if (rule := key_rule(contract.key)) is not None:
        of = " / ".join(rule["fields"]) if "fields" in rule else rule["function"]
        properties[KEY_HEADER] = {"type": "string", "maxLength": MAX_KEY_CHARS, "description": f"made of {of}"}
    return {"type": "object", "required": required, "properties": properties}


def _embed() -> dict[str, Any]:
    parts = ("callbacks", "errbacks", "chain", "chord")
    return {"type": "object", "properties": dict.fromkeys(parts, _NOTHING)}
