"""Reading deliveries: every message becomes parts that the writer can act on."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator

from tests.hostile import MALFORMED, any_headers, any_properties, bodies
from tests.sample import (
    LANES,
    Deposit,
    Note,
    Withdraw,
    accounts,
    delivered,
    delivered_many,
    delivery,
    item,
    now_millis,
)
from writegate import Command, Service
from writegate.contract.ids import ledger_id, new_id
from writegate.contract.lanes import lane_of
from writegate.contract.users import WRITER
from writegate.message.body import MAX_BODY_BYTES
from writegate.message.envelope import Item, Message, encode, encode_many, item_of
from writegate_writer.receive.contracts import MOST_VERSIONS_AHEAD
from writegate_writer.receive.delivery import Arrived, Delivery, Misrouted, NotYet, Part, Question, Reading, Refused
from writegate_writer.receive.kept import MAX_PREFIX_BYTES
from writegate_writer.receive.reading import content_hash, read

DEPOSIT = Deposit(account="a-1", amount=5)
LANE = lane_of("a-1", LANES)


def only(arriving: Delivery) -> Part:
    (part,) = read(arriving, accounts, now_millis())
    assert part.delivery is arriving
    return part


def refused(arriving: Delivery) -> Refused:
    part = only(arriving)
    assert isinstance(part, Refused), part
    return part


def test_a_good_command_arrives() -> None:
    part = only(delivered(DEPOSIT))
    assert isinstance(part, Arrived)
    assert isinstance(part.command, Deposit)
    assert part.command == DEPOSIT
    assert part.command.command_id == part.item.id == part.ledger_id == DEPOSIT.command_id
    assert part.item.key == "a-1"


def test_without_a_key_header_the_key_is_the_contracts() -> None:
    message = encode(replace(item_of(DEPOSIT), key=None))
    part = only(delivery(message, LANE))
    assert isinstance(part, Arrived)
    assert part.item.key == "a-1"
    assert part.hash == content_hash(item_of(DEPOSIT))


def test_many_commands_are_parts_of_their_own() -> None:
    good = [Deposit(account="a-1", amount=number + 1) for number in range(3)]
    rows = [item_of(command) for command in good]
    rows.insert(1, replace(rows[0], id="bad-1", fields=b'{"account":"a-1","amount":0}'))
    parts = read(delivery(encode_many("m-1", rows), LANE), accounts, now_millis())
    assert [type(part) for part in parts] == [Arrived, Refused, Arrived, Arrived]
    assert [part.command for part in parts if isinstance(part, Arrived)] == good


def test_a_command_in_the_wrong_lane_is_forwarded_once() -> None:
    wrong = (LANE + 1) % LANES
    part = only(delivered(DEPOSIT, wrong))
    assert isinstance(part, Misrouted)
    assert (part.route.exchange, part.route.routing_key) == ("writes.accounts", str(LANE))
    assert part.item == item_of(DEPOSIT)
    again = refused(delivered(DEPOSIT, wrong, headers={"writegate-hops": 1}, user_id=WRITER))
    assert again.cause.cause == "second-hop"
    assert again.cause.message == f"expected in lane {LANE}, forwarded once already to lane {wrong}"


def test_a_question_is_read_and_one_without_an_id_is_refused() -> None:
    asked = Item("q-1", "writegate.lookup", 1, None, b'{"id":"c-7"}')
    part = only(delivery(encode(asked)))
    assert isinstance(part, Question)
    assert (part.message_id, part.command_id) == ("q-1", "c-7")
    senseless = refused(delivery(encode(replace(asked, fields=b'{"id":7}'))))
    assert (senseless.cause.cause, senseless.ledger_id) == ("bad-fields", None)


def changed(**changes: Any) -> Delivery:
    return delivery(encode(replace(item_of(DEPOSIT), **changes)), LANE)


@pytest.mark.parametrize(
    ("changes", "cause", "text"),
    [
        (
            {"task": "fleet.deposit"},
            "wrong-service",
            "expected a command of accounts, whose queue this is, got fleet.dep",
        ),
        ({"task": "deposit"}, "wrong-service", "got deposit"),
        (
            {"task": "accounts.rob"},
            "unknown-task",
            "expected one of accounts.deposit, accounts.note, accounts.withdraw",
        ),
        ({"key": "a-2"}, "wrong-key", "expected the key 'a-1' that the fields give, got 'a-2'"),
        ({"fields": b"{}"}, "bad-fields", "accounts.deposit version 1, account: Field required (and 1 more)"),
        ({"fields": b'{"account":"a-1","amount":"5"}'}, "bad-fields", "amount: Input should be a valid integer"),
        (
            {"fields": b'{"account":"a-1","amount":0}'},
            "bad-fields",
            "amount: Input should be greater than or equal to 1",
        ),
        ({"fields": b'{"account":"a-1","amount":5,"x":1}'}, "bad-fields", "x: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_a_command_of_this_lane(changes: dict[str, Any], cause: str, text: str) -> None:
    part = refused(changed(**changes))
    assert part.cause.cause == cause
    assert text in part.cause.message
    assert part.item is not None
    assert part.raw == part.item.fields
    # The ledger keeps the id only when the command was this service's.
    assert (part.ledger_id is None) == (cause == "wrong-service")


def test_an_older_version_is_read_with_the_contract_of_today() -> None:
    withdraw = Withdraw(account="a-1", amount=1)
    assert isinstance(only(delivery(encode(replace(item_of(withdraw), version=1)), LANE)), Arrived)


@pytest.mark.parametrize(("age_days", "type_"), [(0, Arrived), (6.9, Arrived), (7.1, Refused), (-1, Arrived)])
def test_an_id_older_than_the_retention_is_not_applied(age_days: float, type_: type) -> None:
    now = now_millis() + int(age_days * 86_400_000)
    (part,) = read(delivered(DEPOSIT.with_id(new_id())), accounts, now)
    assert isinstance(part, type_)
    if isinstance(part, Refused):
        assert part.cause.cause == "too-old"
        assert part.ledger_id == part.id


def test_an_id_without_a_time_is_never_too_old() -> None:
    (part,) = read(delivered(DEPOSIT.with_id("order-1")), accounts, now_millis() * 2)
    assert isinstance(part, Arrived)


@pytest.mark.parametrize(("make", "cause"), [(row[1], row[2]) for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_a_malformed_message_is_refused_whole(make: Any, cause: str) -> None:
    message: Message = make()
    first, second = (refused(delivery_of(message)) for _ in range(2))
    raw = message.body if len(message.body) <= MAX_BODY_BYTES else message.body[:MAX_PREFIX_BYTES]
    assert (first.cause.cause, first.raw, first.item, first.ledger_id) == (cause, raw, None, None)
    assert (first.id, first.hash) == (second.id, second.hash), "a redelivery would be parked twice"


def delivery_of(message: Message) -> Delivery:
    return Delivery("accounts", 0, 1, 0, message.body, message.headers, message.properties)


def test_without_an_id_the_content_is_the_id() -> None:
    first, other = (refused(Delivery("accounts", 0, 1, 0, body, {}, {})) for body in (b"5", b"6"))
    assert first.id.startswith("content-")
    assert first.id != other.id


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_ledger_knows_every_id_as_a_uuid_of_its_own(command_id: str) -> None:
    known = uuid.UUID(ledger_id(command_id))
    if known.version == 8:
        assert known.variant == uuid.RFC_4122
        assert ledger_id(command_id + "x") != str(known)


def test_a_uuid_is_its_own_ledger_id_in_any_spelling() -> None:
    made = new_id()
    assert {ledger_id(made), ledger_id(made.upper()), ledger_id("{" + made + "}")} == {made}


def test_the_hash_says_what_a_command_says_in_any_form() -> None:
    fields: dict[str, Any] = {"account": "Zoë", "amount": 1}
    spelled = [json.dumps(fields), json.dumps(fields, ensure_ascii=False), json.dumps(fields, indent=3)]
    message = encode(item_of(Deposit(**fields)))
    hashes = set()
    for text in spelled:
        arriving = delivery(replace(message, body=f"[[], {text}, {{}}]".encode()), lane_of("Zoë", LANES))
        part = only(arriving)
        assert isinstance(part, Arrived)
        hashes.add(part.hash)
    assert len(hashes) == 1
    assert content_hash(item("k", b"{}")) != content_hash(item("k", b"[]"))
    assert content_hash(item("k")) != content_hash(replace(item("k"), task="accounts.withdraw"))
    assert -(2**63) <= content_hash(item("k")) < 2**63


@given(bodies, any_headers, any_properties, st.integers(0, LANES - 1))
def test_whatever_comes_it_has_parts_and_never_fails(
    body: bytes, headers: dict[str, Any], properties: dict[str, Any], lane: int
) -> None:
    arriving = Delivery("accounts", lane, 1, 0, body, headers, properties)
    parts = read(arriving, accounts, now_millis())
    assert parts
    reading = Reading()
    for part in parts:
        reading.add(part)
    sorted_in = [*reading.arrived, *reading.refused, *reading.misrouted, *reading.questions]
    assert sorted(map(id, sorted_in)) == sorted(map(id, parts))


def _raise(what: str) -> str:
    error = {"overflow": OverflowError, "missing": KeyError, "broken": AttributeError}.get(what)
    if error is not None:
        raise error(what)
    return what


class Checked(Command, key="what"):
    """A command whose contract has a validator for a field."""

    what: Annotated[str, AfterValidator(_raise)]


class Keyed(Command, key=lambda command: _raise(command.what) if command.what != "seven" else 7):
    """A command whose contract has a rule for the key."""

    what: str


odd = Service("odd", commands=[Checked, Keyed])


def part_of(task: str, what: str) -> Part:
    """Return the part that is read from a command of these types, as a stock producer sends it."""
    command = Item(new_id(), task, 1, None, json.dumps({"what": what}).encode())
    (part,) = read(delivery(encode(command)), odd, now_millis())
    return part


@pytest.mark.parametrize("task", ["odd.checked", "odd.keyed"])
@pytest.mark.parametrize("what", ["overflow", "missing"])
def test_what_a_contracts_own_code_does_not_take_is_refused(task: str, what: str) -> None:
    part = part_of(task, what)
    assert isinstance(part, Refused), part
    assert part.cause.cause == "bad-fields"


@pytest.mark.parametrize(("task", "what"), [("odd.checked", "broken"), ("odd.keyed", "broken"), ("odd.keyed", "seven")])
def test_a_mistake_in_a_contracts_own_code_is_not_the_commands_fault(task: str, what: str) -> None:
    part = part_of(task, what)
    assert isinstance(part, Arrived), part
    assert isinstance(part.command, NotYet)
    assert part.command.broken


def test_a_key_that_cannot_be_stored_is_refused() -> None:
    assert isinstance(part_of("odd.keyed", "k" * 10_000), Refused)


def test_parts_are_sorted_in_arrival_order() -> None:
    many = [Note(text=str(number)) for number in range(5)]
    reading = Reading()
    for part in read(delivered_many(many, 0), accounts, now_millis()):
        reading.add(part)
    assert [part.command for part in reading.arrived] == many


def test_a_version_newer_than_this_writer_is_understood_as_far_as_its_key() -> None:
    part = only(changed(version=2))
    assert isinstance(part, Arrived)
    assert part.command == NotYet("version 2 of accounts.deposit is newer than this writer", newer=True)
    assert part.item.key == "a-1"


def test_a_version_that_nobody_can_have_is_not_believed() -> None:
    assert isinstance(only(changed(version=1 + MOST_VERSIONS_AHEAD)), Arrived)
    for version in (2 + MOST_VERSIONS_AHEAD, 2**31 - 1):
        assert refused(changed(version=version)).cause.cause == "unknown-version"
