"""Older versions of a contract: their fields are upgraded to today's, or it is decided whose fault a failure is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from tests.sample import now_millis
from writegate import Command, Service, contract_of, upgrades
from writegate.errors import DeclarationError
from writegate.message.envelope import Item, encode, encode_many
from writegate_writer.decide.deferral import DeferredRow, revive
from writegate_writer.receive.delivery import Arrived, Delivery, NotYet, Part, Refused
from writegate_writer.receive.reading import read

Fields = dict[str, Any]


class Pay(Command, key="invoice", version=4):
    invoice: str
    cents: int
    on: date
    kind: str = "bill"

    @upgrades(from_=2)
    @staticmethod
    def in_cents(fields: Fields) -> Fields:
        return {"invoice": fields["invoice"], "cents": fields["euros"] * 100, "at": fields["at"]}

    @upgrades(from_=3)
    @staticmethod
    def dated(fields: Fields) -> Fields:
        if "broken" in fields["at"]:
            made: Fields = broken(fields["at"])
            return made
        return {"on": datetime.fromisoformat(fields.pop("at")).date(), **fields}


class Same(Command, key="name", version=2):
    """A contract without upgrades: its older version has the same fields."""

    name: str


invoices = Service("upgrade_test", commands=[Pay, Same])


def broken(how: str) -> Any:
    match how:
        case "broken data":
            raise LookupError("nothing")
        case "broken return":
            return None
        case "broken JSON":
            return {"at": object()}
    raise TypeError("a bug")


def item(version: int, task: str = "upgrade_test.pay", **fields: Any) -> Item:
    return Item("c-1", task, version, fields.get("invoice"), json.dumps(fields).encode())


def arriving(item: Item) -> Delivery:
    message = encode(item)
    return Delivery("upgrade_test", 0, 1, 0, message.body, message.headers, message.properties)


def only(item: Item) -> Part:
    (part,) = read(arriving(item), invoices, now_millis())
    return part


TODAY = Pay(invoice="i-1", cents=300, on=date(2013, 1, 2))
LIFTED = [
    item(2, invoice="i-1", euros=3, at="2013-01-02T10:00:00Z"),
    item(3, invoice="i-1", cents=300, at="2013-01-02T10:00:00Z"),
    item(4, invoice="i-1", cents=300, on="2013-01-02"),
]


@pytest.mark.parametrize("item", LIFTED, ids=lambda item: f"version {item.version}")
def test_every_version_from_the_first_upgrade_on_is_lifted(item: Item) -> None:
    part = only(item)
    assert isinstance(part, Arrived)
    assert part.command == TODAY
    # What is stored, hashed and forwarded is what arrived.
    assert part.item == replace(item, fields=part.item.fields)
    assert json.loads(part.item.fields) == json.loads(item.fields)


def test_each_of_many_has_its_own_version() -> None:
    message = encode_many("m-1", [replace(item, id=f"c-{item.version}") for item in LIFTED])
    delivery = Delivery("upgrade_test", 0, 1, 0, message.body, message.headers, message.properties)
    parts = read(delivery, invoices, now_millis())
    assert [part.command for part in parts if isinstance(part, Arrived)] == [TODAY] * 3


@pytest.mark.parametrize("item", LIFTED, ids=lambda item: f"version {item.version}")
def test_what_was_deferred_is_lifted_when_it_is_tried_again(item: Item) -> None:
    revived = revive(DeferredRow(1, "upgrade_test", 0, item, 0, None, None, False, False), invoices)
    assert isinstance(revived, Arrived)
    assert revived.command == TODAY


@pytest.mark.parametrize(
    ("item", "cause", "text"),
    [
        (item(1, invoice="i-1"), "old-version", "expected version 2 of upgrade_test.pay or later, from which"),
        (item(2, invoice="i-1"), "bad-fields", "version 2: the upgrade from version 2 does not take it: KeyError('eur"),
        (
            item(2, invoice="i-1", euros=3, at="soon"),
            "bad-fields",
            "the upgrade from version 3 does not take it: Value",
        ),
        (item(3, invoice="i-1", at="broken data"), "bad-fields", "does not take it: LookupError('nothing')"),
        (item(2, invoice="i-1", euros="3", at="2013-01-02"), "bad-fields", "version 2, cents: Input should be a valid"),
        (replace(LIFTED[0], key="i-2"), "wrong-key", "expected the key 'i-1'"),
    ],
)
def test_fields_that_are_none_of_their_version_are_the_commands_fault(item: Item, cause: str, text: str) -> None:
    part = only(item)
    assert isinstance(part, Refused)
    assert part.cause.cause == cause
    assert text in part.cause.message
    assert part.item is not None
    assert (part.item.version, part.raw) == (item.version, part.item.fields), "it can be edited and replayed"
    assert json.loads(part.raw) == json.loads(item.fields)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("broken", "the upgrade of upgrade_test.pay from version 3 failed: TypeError('a bug')"),
        ("broken return", "the upgrade of upgrade_test.pay from version 3 returned NoneType, not a dict"),
        ("broken JSON", "the upgrades of upgrade_test.pay returned what is no JSON: Unable to serialize"),
    ],
)
def test_a_mistake_in_an_upgrade_is_not_the_commands_fault(how: str, text: str) -> None:
    part = only(item(3, invoice="i-1", cents=300, at=how))
    assert isinstance(part, Arrived)
    assert isinstance(part.command, NotYet)
    assert part.command.broken
    assert part.command.reason.startswith(text)
    assert part.item.key == "i-1", "its key waits behind it"


def test_without_upgrades_older_fields_are_read_as_they_are() -> None:
    part = only(Item("c-1", "upgrade_test.same", 1, None, b'{"name": "x"}'))
    assert isinstance(part, Arrived)
    assert part.command == Same(name="x")


def test_a_contract_has_its_upgrades_in_order() -> None:
    assert list(contract_of(Pay).upgrades) == [2, 3]
    assert contract_of(Pay).upgrades[3]({"at": "2013-01-02", "cents": 1}) == {"on": date(2013, 1, 2), "cents": 1}
    assert Pay.in_cents({"invoice": "i", "euros": 1, "at": ""})["cents"] == 100, "it can be tested like any function"


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_upgrades_must_lead_to_the_version_without_a_gap(start: int) -> None:
    with pytest.raises(DeclarationError, match=rf"Wrong is version 3 and has upgrades from {start}: expected one from"):

        class Wrong(Command, version=3):
            @upgrades(from_=start)
            @staticmethod
            def up(fields: Fields) -> Fields:
                return fields


def test_two_upgrades_from_one_version() -> None:
    with pytest.raises(DeclarationError, match="Wrong: two upgrades from version 1"):

        class Wrong(Command, version=2):
            @upgrades(from_=1)
            @staticmethod
            def one(fields: Fields) -> Fields:
                return fields

            @upgrades(from_=1)
            @staticmethod
            def other(fields: Fields) -> Fields:
                return fields
