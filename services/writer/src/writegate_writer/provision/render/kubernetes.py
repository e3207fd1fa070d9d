"""The resources of RabbitMQ's messaging topology operator (``rabbitmq.com/v1beta1``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from writegate_writer.provision.broker_diff import CHANNELS, CONNECTIONS, MONITORING, BrokerState

CLUSTER = "rabbitmq"
_TYPE = "x-queue-type"


def kubernetes(desired: BrokerState) -> str:
    """Return YAML: a document each, of JSON, which is YAML too. An overlay may give the cluster another name.

    Names and passwords of users come from secrets ``<user>-broker`` with the keys ``username`` and ``password``.
    """
    return "".join(f"---\n{json.dumps(resource, indent=2)}\n" for resource in _resources(desired))


def _resources(desired: BrokerState) -> Iterator[dict[str, Any]]:
    vhost = {"vhost": desired.vhost}
    yield _resource("Vhost", "writegate", {"name": desired.vhost})
    for name, kind in desired.exchanges.items():
        spec = {"name": name, **vhost, "type": kind.rpartition(" ")[2], "durable": True, "autoDelete": False}
        yield _resource("Exchange", name, spec)
    for name, arguments in desired.queues.items():
        others = {key: value for key, value in arguments.items() if key != _TYPE}
        spec = {"name": name, **vhost, "type": arguments[_TYPE], "durable": True, "autoDelete": False}
        yield _resource("Queue", name, {**spec, "arguments": others} if others else spec)
    for binding in sorted(desired.bindings, key=lambda binding: (binding.queue, binding.routing_key)):
        ends = {"source": binding.exchange, "destination": binding.queue, "destinationType": "queue"}
        yield _resource(
            "Binding", f"{binding.queue}.{binding.routing_key}", {**ends, "routingKey": binding.routing_key, **vhost}
        )
    for name, permission in desired.users.items():
        tags = [MONITORING] if name in desired.monitors else []
        limits = {"connections": desired.limits[name][CONNECTIONS], "channels": desired.limits[name][CHANNELS]}
        secret = {"name": f"{_name(name)}-broker"}
        yield _resource("User", name, {"tags": tags, "importCredentialsSecret": secret, "limits": limits})
        if permission is not None:
            rights = {"configure": permission.configure, "write": permission.write, "read": permission.read}
            yield _resource("Permission", name, {"user": name, **vhost, "permissions": rights})


def _resource(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": kind,
        "metadata": {"name": _name(name)},
        "spec": {**spec, "rabbitmqClusterReference": {"name": CLUSTER}},
    }


def _name(name: str) -> str:
    """Return a name as Kubernetes takes it; services' names have no hyphens, so two stay two."""
    return name.replace("_", "-")
