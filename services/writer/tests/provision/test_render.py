"""What is declared, for other means of applying it. What the real servers make of it is tested with `apply`."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.deadlines import patient
from tests.declared import service
from writegate_writer.provision.broker_diff import desired_broker
from writegate_writer.provision.render.definitions import definitions
from writegate_writer.provision.render.kubernetes import kubernetes

BROKER = desired_broker("/", [service("flights", "f.t", lanes=2).service, service("gate_log", "g.t").service])


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the specs of a kind by the resource's name."""
    documents = [json.loads(text) for text in kubernetes(BROKER).split("---\n")[1:]]
    assert {document["apiVersion"] for document in documents} == {"rabbitmq.com/v1beta1"}
    found = [document for document in documents if document["kind"] == kind]
    specs = {document["metadata"]["name"]: document["spec"] for document in found}
    assert len(specs) == len(found)
    assert all(spec.pop("rabbitmqClusterReference") == {"name": "rabbitmq"} for spec in specs.values())
    return specs


def test_kubernetes_has_all_that_the_broker_needs() -> None:
    assert {vhost["name"] for vhost in resources("Vhost").values()} == {"/"}
    assert {exchange["name"] for exchange in resources("Exchange").values()} == set(BROKER.exchanges)
    assert {
        queue["name"]: {"x-queue-type": queue["type"], **queue.get("arguments", {})}
        for queue in resources("Queue").values()
    } == BROKER.queues
    assert {
        (binding["source"], binding["destination"], binding["routingKey"]) for binding in resources("Binding").values()
    } == {(binding.exchange, binding.queue, binding.routing_key) for binding in BROKER.bindings}
    assert {permission["user"] for permission in resources("Permission").values()} == set(BROKER.users)
    assert resources("User")["writegate-reader"]["tags"] == ["monitoring"]
    assert resources("User")["gate-log"]["importCredentialsSecret"] == {"name": "gate-log-broker"}
    assert resources("User")["gate-log"]["limits"] == {"connections": 200, "channels": 1000}


def test_definitions_have_hashes_of_the_passwords_that_are_given() -> None:
    users = {user["name"]: user for user in json.loads(definitions(BROKER, {"flights": "secret"}))["users"]}
    assert set(users) == set(BROKER.users)
    assert users["gate_log"]["password_hash"] == ""
    known = base64.b64decode(users["flights"]["password_hash"])
    assert known[4:] == hashlib.sha256(known[:4] + b"secret").digest()
    assert "secret" not in json.dumps(users)
    assert {name: user["limits"] for name, user in users.items()} == BROKER.limits


@pytest.mark.parametrize("form", ["definitions", "kubernetes", "sql"])
def test_the_command_asks_no_server(form: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WRITEGATE_")}
    command = [sys.executable, "-m", "writegate", "plan", "--render", form]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=patient(60))
    assert done.returncode == 0, done.stderr
    assert "flights" in done.stdout
    assert ("WRITEGATE_PASSWORD_FLIGHTS" in done.stderr) == (form == "definitions")
