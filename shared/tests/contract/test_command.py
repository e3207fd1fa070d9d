"""Declaring commands: strict, frozen, versioned, with a key that follows from the fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from writegate import Command, Service, contract_of, key_of
from writegate.contract.ids import millis_of
from writegate.errors import DeclarationError


class Plain(Command):
    text: str


class RecordDeparture(Command, key="flight", version=2, on_reject="park_key"):
    flight: str
    minutes: int = 0


class Leg(Command, key=("carrier", "number"), name="fly_leg"):
    carrier: str
    number: int


class Shouted(Command, key=lambda command: command.word.upper()):
    word: str


class HTTPSeen(Command):
    pass


service = Service("command_test", commands=[Plain, RecordDeparture, Leg, Shouted, HTTPSeen], lanes=3)


def test_a_contract_says_what_the_class_arguments_say() -> None:
    contract = contract_of(RecordDeparture(flight="UA1"))
    assert (contract.task, contract.version, contract.on_reject, contract.lanes) == (
        "command_test.record_departure",
        2,
        "park_key",
        3,
    )
    assert contract_of(Leg).task == "command_test.fly_leg"
    assert contract_of(HTTPSeen).name == "http_seen"
    assert contract_of(Plain).version == 1


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (Plain(text="x"), None),
        (RecordDeparture(flight="UA1"), "UA1"),
        (Leg(carrier="UA", number=1545), "UA/1545"),
        (Shouted(word="ewr"), "EWR"),
    ],
)
def test_the_key_follows_from_the_fields(command: Command, key: str | None) -> None:
    assert key_of(command) == key


@pytest.mark.parametrize(
    "fields",
    [{}, {"flight": 1}, {"flight": "x", "minutes": "3"}, {"flight": "x", "minutes": 1.0}, {"flight": "x", "more": 1}],
)
def test_fields_are_strict(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RecordDeparture(**fields)


def test_a_command_does_not_change() -> None:
    command = RecordDeparture(flight="x")
    with pytest.raises(ValidationError):
        command.flight = "y"


def test_the_id_stays_with_the_object_and_no_other() -> None:
    command, same = RecordDeparture(flight="x"), RecordDeparture(flight="x")
    assert command.command_id == command.command_id
    assert command.command_id != same.command_id
    assert command == same
    assert hash(command) == hash(same)
    assert millis_of(command.command_id) is not None


def test_a_chosen_id_belongs_to_the_copy() -> None:
    command = RecordDeparture(flight="x")
    made = command.command_id
    chosen = command.with_id("order-1")
    assert (chosen.command_id, command.command_id) == ("order-1", made)
    assert chosen == command


def test_a_copy_with_other_fields_is_another_command() -> None:
    command = RecordDeparture(flight="x").with_id("order-1")
    other = command.model_copy(update={"minutes": 3})
    assert (other, command.minutes) == (RecordDeparture(flight="x", minutes=3), 0)
    assert other.command_id not in {"", "order-1"}
    assert command.model_copy().command_id == "order-1"
    with pytest.raises(ValidationError, match="minutes"):
        command.model_copy(update={"minutes": "3"})


def test_commands_of_other_types_or_fields_differ() -> None:
    assert RecordDeparture(flight="x") != RecordDeparture(flight="y")
    assert Plain(text="x") != HTTPSeen()


def test_a_key_must_name_fields() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong: key names 'b', which is not one of its fields"):

        class Wrong(Command, key=("a", "b")):
            a: str


def test_versions_count_from_1() -> None:
    with pytest.raises(DeclarationError, match=r"version counts from 1, not 0"):

        class Wrong(Command, version=0):
            pass


def test_what_happens_on_a_rejection_is_one_of_two() -> None:
    with pytest.raises(DeclarationError, match=r"on_reject is one of \('continue', 'park_key'\), not 'park'"):

        class Wrong(Command, on_reject="park"):
            pass


def test_a_command_without_a_service_says_so() -> None:
    class Misrouted(Command):
        pass

    with pytest.raises(DeclarationError, match=r"Misrouted belongs to no service: list it in Service"):
        contract_of(Misrouted())
    with pytest.raises(DeclarationError, match=r"Misrouted belongs to no service"):
        contract_of(Misrouted)


def test_a_command_belongs_to_one_service() -> None:
    with pytest.raises(DeclarationError, match=r"Plain belongs to 'command_test' already, 'other' cannot take it"):
        Service("other", commands=[Plain])


def test_a_subclass_inherits_fields_and_not_the_contract() -> None:
    class Base(Command, key="a"):
        a: str

    class Derived(Base):
        b: str

    Service("base", commands=[Base])
    Service("derived", commands=[Derived])
    assert contract_of(Base).service == "base"
    assert contract_of(Derived(a="a", b="b")).service == "derived"
    assert key_of(Base(a="a")) == "a"
    assert key_of(Derived(a="a", b="b")) is None
