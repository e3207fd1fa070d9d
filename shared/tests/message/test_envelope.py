"""The wire format: what Celery itself would send, and reading what anybody may have sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hostile import DEPOSIT, MALFORMED, any_headers, any_properties, bodies, sent_by_celery
from tests.sample import Deposit, Note, Withdraw
from writegate import Command, contract_of
from writegate.errors import MalformedMessage
from writegate.message import envelope
from writegate.message.envelope import Item, Message, decode, encode, encode_many, item_of, row_bytes


def test_a_message_of_ours_differs_from_celerys_in_nothing_but_what_is_meant_to() -> None:
    ours, theirs = encode(item_of(DEPOSIT)), sent_by_celery()
    assert json.loads(ours.body) == json.loads(theirs.body)
    headers = dict(theirs.headers)
    assert set(headers) - set(ours.headers) == {"argsrepr", "kwargsrepr"}
    assert set(ours.headers) - set(headers) == {"writegate-key", "writegate-version"}
    assert {name: ours.headers[name] for name in headers.keys() & ours.headers.keys()} == {
        name: value for name, value in headers.items() if name in ours.headers
    }
    properties = dict(theirs.properties)
    assert properties.pop("reply_to")  # a result backend's address, whether anybody listens or not
    assert ours.properties == properties
    assert (ours.properties["delivery_mode"], ours.properties["content_type"]) == (2, "application/json")


@pytest.mark.parametrize("parent", [None, "p-1"])
@pytest.mark.parametrize("command", [DEPOSIT, Withdraw(account="a", amount=-1), Note(text="no key")])
def test_headers_and_body_are_what_celerys_own_code_makes(command: Command, parent: str | None) -> None:
    item = item_of(command)
    theirs = Celery(set_as_current=False).amqp.as_task_v2(
        item.id, item.task, kwargs=json.loads(item.fields), root_id=parent or item.id, parent_id=parent
    )
    ours = encode(item, parent=parent)
    assert json.loads(ours.body) == json.loads(json.dumps(theirs.body))
    reprs = {name: theirs.headers[name] for name in ("argsrepr", "kwargsrepr")}
    own = {"writegate-version": contract_of(command).version} | ({"writegate-key": item.key} if item.key else {})
    assert ours.headers | reprs == theirs.headers | own
    assert ours.properties["correlation_id"] == theirs.properties["correlation_id"] == item.id


def test_a_message_of_many_is_a_celery_task_too() -> None:
    items = [item_of(DEPOSIT), item_of(Note(text="no key"))]
    ours = encode_many("m-1", items)
    kwargs = {"commands": [[item.id, item.task, item.version, item.key, json.loads(item.fields)] for item in items]}
    theirs = Celery(set_as_current=False).amqp.as_task_v2("m-1", "writegate.many", kwargs=kwargs, root_id="m-1")
    assert json.loads(ours.body) == json.loads(json.dumps(theirs.body))
    reprs = {name: theirs.headers[name] for name in ("argsrepr", "kwargsrepr")}
    assert ours.headers | reprs == theirs.headers


def test_celerys_own_message_reads_like_ours_but_for_key_and_version() -> None:
    theirs = sent_by_celery()
    (read,) = decode(theirs.body, theirs.headers, theirs.properties)
    assert (read.id, read.task, read.version, read.key) == ("d-1", "accounts.deposit", 1, None)
    (ours,) = read_back(encode(item_of(DEPOSIT)))
    assert (ours.fields, ours.key, ours.version) == (read.fields, "Zoë", 1)


def test_a_command_keeps_what_led_to_it() -> None:
    headers = encode(item_of(DEPOSIT), parent="p-1").headers
    assert (headers["parent_id"], headers["root_id"], headers["id"]) == ("p-1", "p-1", "d-1")


def read_back(message: Message) -> tuple[Item, ...]:
    return decode(message.body, message.headers, message.properties)


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
commands = st.one_of(
    st.builds(Deposit, account=texts, amount=st.integers(1, 2**53)),
    st.builds(Withdraw, account=texts, amount=st.integers(-(2**53), 2**53)),
    st.builds(Note, text=texts),
)
ids = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=128).filter(
    lambda text: len(text.encode()) <= 128
)


@given(commands, ids)
def test_one_command_comes_back_as_it_was(command: Any, command_id: str) -> None:
    item = item_of(command.with_id(command_id))
    assert read_back(encode(item)) == (item,)


@given(st.lists(st.tuples(commands, ids), min_size=1, max_size=10))
def test_many_commands_come_back_in_order_each_with_its_own_id(pairs: list[tuple[Any, str]]) -> None:
    items = [item_of(command.with_id(command_id)) for command, command_id in pairs]
    message = encode_many("m-1", items)
    assert read_back(message) == tuple(items)
    assert message.headers["task"] == "writegate.many"
    assert len(message.body) <= sum(row_bytes(item) + 2 * len(item.id.encode()) for item in items) + 1024


any_items = st.builds(
    Item,
    st.uuids().map(str),
    st.just("accounts.deposit"),
    st.integers(1, 2**31 - 1),
    st.none() | st.text(max_size=512),
    texts.map(lambda text: json.dumps({"text": text}).encode()),
)


@given(st.lists(any_items, min_size=1, max_size=5))
def test_the_bound_of_a_row_holds(items: list[Item]) -> None:
    frame = len(encode_many("m-1", []).body)
    assert len(encode_many("m-1", items).body) <= frame + sum(row_bytes(item) for item in items)


@pytest.mark.parametrize(("make", "cause", "text"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_what_is_not_a_command_is_refused_with_its_cause(make: Any, cause: str, text: str) -> None:
    message = make()
    with pytest.raises(MalformedMessage, match=text) as raised:
        decode(message.body, message.headers, message.properties)
    assert raised.value.cause == cause
    assert len(str(raised.value)) < 300


def test_every_cause_that_decode_documents_has_a_case() -> None:
    documented = {word for word in decode.__doc__.split("``") if word.islower() and " " not in word}  # type: ignore[union-attr]
    assert {cause for _, _, cause, _ in MALFORMED} == documented


@given(bodies, any_headers, any_properties)
@example(b"[[],{},{}]", {"task": "x", "id": "\ud800"}, {"content_type": "application/json"})
@example(b"[[],{},{}]", {"task": "x", "id": "1"}, {"content_type": "application/json", "user_id": ""})
def test_whatever_comes_it_is_read_or_malformed(
    body: bytes, headers: dict[str, Any], properties: dict[str, Any]
) -> None:
    try:
        read = decode(body, headers, properties)
    except MalformedMessage as error:
        assert error.cause in {cause for _, _, cause, _ in MALFORMED}  # noqa: PT017  either way is right
        return
    assert read
    for item in read:
        # What is let through can be hashed, routed and stored.
        assert f"{item.id}{item.task}{item.key}".encode()
        assert isinstance(json.loads(item.fields), dict)
        assert envelope.row_bytes(item) > 0
