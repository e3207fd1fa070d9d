"""RabbitMQ's own form of a topology: ``definitions.json``, as its management API and ``rabbitmqctl`` import it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping

from writegate_writer.provision.broker_diff import MONITORING, BrokerState

_SALT_BYTES = 4


def definitions(desired: BrokerState, passwords: Mapping[str, str]) -> str:
    """Return the vhost and all that is in it. A user whose password is not given has none, and cannot log in."""
    vhost = desired.vhost
    permissions = {name: permission for name, permission in desired.users.items() if permission is not None}
    document = {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": name,
                "password_hash": _hash(passwords[name]) if name in passwords else "",
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [MONITORING] if name in desired.monitors else [],
                "limits": dict(desired.limits[name]),
            }
            for name in desired.users
        ],
        "permissions": [
            {
                "user": name,
                "vhost": vhost,
                "configure": permission.configure,
                "write": permission.write,
                "read": permission.read,
            }
            for name, permission in permissions.items()
        ],
        "exchanges": [
            {
                "name": name,
                "vhost": vhost,
                "type": kind.rpartition(" ")[2],
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for name, kind in desired.exchanges.items()
        ],
        "queues": [
            {"name": name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": dict(arguments)}
            for name, arguments in desired.queues.items()
        ],
        "bindings": [
            {
                "source": binding.exchange,
                "vhost": vhost,
                "destination": binding.queue,
                "destination_type": "queue",
                "routing_key": binding.routing_key,
                "arguments": {},
            }
            for binding in sorted(desired.bindings, key=lambda binding: (binding.queue, binding.routing_key))
        ],
    }
    return json.dumps(document, indent=2)


def _hash(password: str) -> str:
    """Return what RabbitMQ keeps of a password: salt and SHA-256 of both (its documentation, "Credentials")."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
