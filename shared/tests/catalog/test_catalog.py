"""What `writegate contracts` tells of the installed services is what travels and what the writer takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import BaseModel

from tests.sample import Deposit, Note, Withdraw, accounts
from writegate import Command, Service, upgrades
from writegate.catalog import installed_services
from writegate.catalog.asyncapi import asyncapi
from writegate.catalog.description import describe
from writegate.errors import DeclarationError
from writegate.message.envelope import Message, encode, item_of
from writegate.message.topology import topology_of
from writegate_writer.handlers.loading import load_services


class Part(BaseModel):
    name: str
    grams: int = 0


class Pack(Command, key=("depot", "crate"), version=2, on_reject="park_key"):
    """Parts go into a crate."""

    depot: str
    crate: int
    parts: list[Part]

    @upgrades(from_=1)
    @staticmethod
    def with_parts(fields: dict[str, Any]) -> dict[str, Any]:
        return {"parts": [], **fields}


def _crate(command: Ship) -> str:
    return command.crate


class Ship(Command, key=_crate):
    crate: str


depots = Service("contracts_test", commands=[Pack, Ship], lanes=3, keys_own_rows=True)
PACK = Pack(depot="EWR", crate=7, parts=[Part(name="bolt")])
COMMANDS: list[Command] = [
    PACK,
    Ship(crate="c"),
    Deposit(account="a", amount=1),
    Withdraw(account="a", amount=1),
    Note(text="x"),
]


def test_the_contracts_are_those_of_the_services_that_writers_load() -> None:
    """Two groups of entry points name them: one for whoever publishes, one for writers."""
    assert installed_services() == {name: writes.service for name, writes in load_services().items()}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("nowhere.contract:it", "contract broken: cannot import nowhere.contract:it: No module named 'nowhere'"),
        ("json:it", "contract broken: cannot import json:it: module 'json' has no attribute 'it'"),
        ("json:dumps", "contract broken: json:dumps is function, expected a Service"),
    ],
)
def test_a_contract_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, text: str
) -> None:
    distribution = tmp_path / "broken-0.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0\n")
    (distribution / "entry_points.txt").write_text(f"[writegate.contracts]\nbroken = {value}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeclarationError) as raised:
        installed_services()
    assert str(raised.value) == text


def test_a_service_as_data() -> None:
    [found] = describe([depots])["services"]
    pack, ship = found.pop("commands")
    assert found == {
        "name": "contracts_test",
        "exchange": "writes.contracts_test",
        "lanes": 3,
        "keys_own_rows": True,
        "retention_days": 7,
    }
    assert {name: value for name, value in pack.items() if name != "schema"} == {
        "task": "contracts_test.pack",
        "version": 2,
        "upgrades_from": [1],
        "key": {"fields": ["depot", "crate"]},
        "on_reject": "park_key",
    }
    assert ship["key"] == {"function": "test_catalog:_crate"}
    [note] = [
        command for command in describe([accounts])["services"][0]["commands"] if command["task"] == "accounts.note"
    ]
    assert note["key"] is None


def test_the_schemas_take_what_is_published_and_nothing_else() -> None:
    services = describe([accounts, depots])["services"]
    schemas = {command["task"]: command["schema"] for service in services for command in service["commands"]}
    for command in COMMANDS:
        item = item_of(command)
        Draft202012Validator.check_schema(schemas[item.task])
        fields = json.loads(item.fields)
        Draft202012Validator(schemas[item.task]).validate(fields)
        assert not Draft202012Validator(schemas[item.task]).is_valid({**fields, "more": 1})
        assert not Draft202012Validator(schemas[item.task]).is_valid({})


DOCUMENT = asyncapi([accounts, depots])


def test_the_document_has_what_asyncapi_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert set(DOCUMENT["channels"]) == {"accounts", "contracts_test"}
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] == "receive"
        channel = at(operation["channel"]["$ref"])
        assert all(message in channel["messages"].values() for message in map(followed, operation["messages"]))
    assert set(DOCUMENT["operations"]) == set(DOCUMENT["components"]["messages"])
    assert {"Deposit", "Pack", "Part"} <= set(DOCUMENT["components"]["schemas"])


def at(reference: str) -> Any:
    """What a reference in the document points to."""
    value: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    return value


def followed(part: dict[str, str]) -> Any:
    return at(part["$ref"])


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert "#/components/schemas/Part" in found
    for reference in found:
        assert at(reference), reference


@pytest.mark.parametrize("service", [accounts, depots], ids=lambda service: str(service.name))
def test_a_channel_is_the_exchange_with_its_bindings(service: Service) -> None:
    channel = DOCUMENT["channels"][service.name]
    exchange = channel["bindings"]["amqp"]["exchange"]["name"]
    keys = {binding.routing_key for binding in topology_of(service).bindings if binding.exchange == exchange}
    assert set(channel["parameters"]["lane"]["enum"]) == keys


def valid(task: str, message: Message) -> tuple[bool, bool]:
    """Whether headers and body of a message are as the document says."""
    described_ = DOCUMENT["components"]["messages"][task]
    headers, payload = (
        Draft7Validator({**described_[part], "components": DOCUMENT["components"]}) for part in ("headers", "payload")
    )
    return headers.is_valid(message.headers), payload.is_valid(json.loads(message.body))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_what_is_published_is_as_the_document_says(command: Command) -> None:
    item = item_of(command)
    message = encode(item)
    assert valid(item.task, message) == (True, True)
    body = json.loads(message.body)
    body[1]["more"] = 1
    assert valid(item.task, Message(json.dumps(body).encode(), message.headers, {})) == (True, False)
    body[1].pop("more")
    body[0] = ["positional"]
    assert valid(item.task, Message(json.dumps(body).encode(), message.headers, {})) == (True, False)
    assert valid(item.task, Message(message.body, {**message.headers, "task": "other"}, {})) == (False, True)


def test_a_message_that_does_not_say_its_version_is_of_the_first() -> None:
    def without(command: Command) -> bool:
        item = item_of(command)
        headers = {name: value for name, value in encode(item).headers.items() if name != "writegate-version"}
        return valid(item.task, Message(encode(item).body, headers, {}))[0]

    assert (without(Deposit(account="a", amount=1)), without(PACK)) == (True, False)


def writegate(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Whatever would import the writer fails: contracts are for those who have none.
    program = "import sys; sys.modules['writegate_writer'] = None; from writegate.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "contracts", *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_prints_it_for_people_and_programs() -> None:
    table = writegate()
    assert (table.returncode, table.stderr) == (0, "")
    assert "flights.record_departure 1 _flight()" in " ".join(table.stdout.split())
    services = list(installed_services().values())
    assert json.loads(writegate("--json").stdout) == describe(services)
    assert json.loads(writegate("--asyncapi").stdout) == asyncapi(services)
    assert json.loads(writegate("--json", "--service", "weather").stdout) == describe(
        [service for service in services if service.name == "weather"]
    )


def test_a_service_that_is_not_there_is_told_with_those_that_are() -> None:
    done = writegate("--service", "wether")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"writegate: no contract of 'wether' is installed here; there are: {', '.join(installed_services())}"
    )
