"""Messages that anybody may send: what a stock Celery application does, what is malformed, and anything at all."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Celery, chain, chord, group, signature
from hypothesis import strategies as st
from kombu import Connection, Exchange, Queue

from tests.sample import Deposit
from writegate.message.body import MAX_BODY_BYTES
from writegate.message.envelope import MAX_PARTS, Message, encode, encode_many, item_of

FIELDS: dict[str, Any] = {"account": "Zoë", "amount": 3}
DEPOSIT = Deposit(**FIELDS).with_id("d-1")


def sent_by_celery(**options: Any) -> Message:
    """What a stock application really puts on the wire, taken from a broker in memory."""
    app = Celery(broker=f"memory://{uuid.uuid4()}", set_as_current=False)
    queue = Queue("lane", Exchange("writes.accounts", "direct"), routing_key="any")
    with Connection(app.conf.broker_url) as connection, connection.channel() as channel:
        bound = queue(channel)
        bound.declare()
        what = {"kwargs": FIELDS, "task_id": "d-1", "exchange": "writes.accounts", "routing_key": "any"} | options
        with app.amqp.Producer(connection) as producer:
            # A declared task says whether its result is wanted; send_task by name leaves it open.
            app.send_task("accounts.deposit", producer=producer, declare=[], ignore_result=False, **what)
        return as_message(bound.get())


def as_message(received: Any) -> Message:
    """Return a message as a consumer of ours sees it: bytes, headers, AMQP properties."""
    body = received.body if isinstance(received.body, bytes) else received.body.encode()
    kept = ("correlation_id", "delivery_mode", "priority", "reply_to")
    properties = {name: received.properties[name] for name in kept if name in received.properties}
    properties |= {"content_type": received.content_type, "content_encoding": received.content_encoding}
    return Message(body, received.headers, properties)


def with_headers(**headers: Any) -> Message:
    message = encode(item_of(DEPOSIT))
    changed = {
        name.replace("_", "-") if name.startswith("writegate") else name: value for name, value in headers.items()
    }
    return Message(message.body, {**message.headers, **changed}, message.properties)


def without(*names: str) -> Message:
    message = encode(item_of(DEPOSIT))
    return Message(message.body, {n: v for n, v in message.headers.items() if n not in names}, message.properties)


def with_body(body: bytes, **properties: Any) -> Message:
    message = encode(item_of(DEPOSIT))
    return Message(body, message.headers, message.properties | properties)


def compressed(name: str, body: bytes, **properties: Any) -> Message:
    """A body and the header by which kombu says how it is compressed."""
    message = with_body(body, **properties)
    return Message(message.body, {**message.headers, "compression": name}, message.properties)


GZIPPED = gzip.compress(encode(item_of(DEPOSIT)).body)


def many(rows: object) -> Message:
    body = json.dumps([[], {"commands": rows}, {}]).encode()
    return Message(body, encode_many("m-1", []).headers, encode_many("m-1", []).properties)


def protocol_1() -> Message:
    body = {"task": "accounts.deposit", "id": "d-1", "args": [], "kwargs": FIELDS, "retries": 0, "eta": None}
    return Message(json.dumps(body).encode(), {}, encode(item_of(DEPOSIT)).properties)


def in_canvas(kind: str) -> Message:
    """What a stock application sends for a member of a group, and for the header of a chord or a chain."""
    task = signature("accounts.deposit", kwargs=FIELDS)
    then = signature("accounts.withdraw", kwargs=FIELDS)
    options: dict[str, Mapping[str, Any]] = {
        "link": {"link": [then]},
        "link_error": {"link_error": [then]},
        "chain": {"chain": chain(task, then).tasks[1:]},
        "chord": {"chord": chord([task], then)},
        "group": {"group_id": group(task, task).freeze().id},
    }
    return sent_by_celery(**options[kind])


LATER = datetime.now(UTC) + timedelta(hours=1)

MALFORMED: list[tuple[str, Any, str, str]] = [
    ("protocol 1", protocol_1, "protocol", "Celery protocol 2"),
    ("no headers at all", lambda: Message(b"[[],{},{}]", {}, {}), "protocol", "got neither"),
    (
        "pickle",
        lambda: with_body(b"\x80\x04.", content_type="application/x-python-serialize"),
        "not-json",
        "pickle|python",
    ),
    ("yaml", lambda: with_body(b"- []", content_type="application/x-yaml"), "not-json", "x-yaml"),
    ("zstd", lambda: compressed("application/zstd", b"x"), "content-encoding", "utf-8 or gzip, got 'application/zstd'"),
    ("latin 1", lambda: with_body(b"[[],{},{}]", content_encoding="latin-1"), "content-encoding", "got 'latin-1'"),
    ("both", lambda: compressed("gzip", b"x", content_encoding="br"), "content-encoding", "'br' and"),
    ("no gzip", lambda: compressed("gzip", b"[[],{},{}]"), "content-encoding", "in gzip"),
    ("half a gzip", lambda: compressed("gzip", GZIPPED[:-9]), "content-encoding", "its end is missing"),
    ("gzip and more", lambda: compressed("gzip", GZIPPED + b"x"), "content-encoding", "more follows"),
    ("a gzip bomb", lambda: compressed("gzip", gzip.compress(b" " * 10**7)), "too-large", "decompressed it has more"),
    ("raw bytes", lambda: with_body(b"[[],{},{}]", content_type="application/data"), "not-json", "application/data"),
    ("no content type", lambda: with_body(b"[[],{},{}]", content_type=None), "not-json", "None"),
    ("positional", lambda: sent_by_celery(args=["x"]), "positional-args", "keyword arguments only"),
    ("eta", lambda: sent_by_celery(eta=LATER), "eta", "no eta or countdown"),
    ("countdown", lambda: sent_by_celery(countdown=60), "eta", "no eta or countdown"),
    ("expires", lambda: sent_by_celery(expires=60), "expires", "no expires"),
    *(
        (kind, lambda kind=kind: in_canvas(kind), "canvas", "got")
        for kind in ("link", "link_error", "chain", "chord", "group")
    ),
    ("no id", lambda: without("id"), "no-id", "expected a header 'id'"),
    ("id not text", lambda: with_headers(id=5), "bad-id", "got 5"),
    ("id empty", lambda: with_headers(id=""), "bad-id", "1 to 128"),
    ("id too long", lambda: with_headers(id="x" * 129), "bad-id", "1 to 128"),
    ("id with NUL", lambda: with_headers(id="a\0b"), "bad-id", "1 to 128"),
    ("id not Unicode", lambda: with_headers(id="a\ud800b"), "bad-id", "1 to 128"),
    ("no task", lambda: without("task"), "no-task", "got None"),
    ("task a list", lambda: with_headers(task=["accounts.deposit"]), "no-task", "to be a task name"),
    ("task not Unicode", lambda: with_headers(task="accounts.\ud800"), "no-task", "to be a task name"),
    ("number", lambda: with_body(b"5"), "protocol", "got 5"),
    ("two items", lambda: with_body(b"[1,2]"), "protocol", r"got \[1, 2\]"),
    ("object", lambda: with_body(b"{}"), "protocol", r"got \{\}"),
    ("not JSON", lambda: with_body(b"{nonsense"), "invalid-json", "expected a JSON body"),
    ("empty", lambda: with_body(b""), "invalid-json", "expected a JSON body"),
    ("not UTF-8", lambda: with_body(b'[[],{"a":"\xff"},{}]'), "invalid-json", "expected a JSON body"),
    ("NaN", lambda: with_body(b'[[],{"a":NaN},{}]'), "invalid-json", "expected a JSON body"),
    ("1e999", lambda: with_body(b'[[],{"a":1e999},{}]'), "invalid-json", "numbers"),
    ("id too many bytes", lambda: with_headers(id="é" * 65), "bad-id", "1 to 128 bytes"),
    ("deep", lambda: with_body(b"[" * 100_000), "invalid-json", "recursion"),
    ("kwargs a list", lambda: with_body(b"[[],[],{}]"), "not-kwargs", "to be an object"),
    ("too large", lambda: with_body(b" " * (MAX_BODY_BYTES + 1)), "too-large", "at most 262144 bytes, got 262145"),
    ("version text", lambda: with_headers(writegate_version="2"), "bad-header", "writegate-version"),
    ("version 0", lambda: with_headers(writegate_version=0), "bad-header", "writegate-version"),
    ("version True", lambda: with_headers(writegate_version=True), "bad-header", "writegate-version"),
    ("key a number", lambda: with_headers(writegate_key=7), "bad-header", "writegate-key"),
    ("key too long", lambda: with_headers(writegate_key="k" * 513), "bad-header", "at most 512"),
    ("none of many", lambda: many([]), "bad-many", "commands"),
    (
        "too many of many",
        lambda: many([["d-1", "accounts.deposit", 1, None, {}]] * (MAX_PARTS + 1)),
        "too-many",
        "at most 2000 commands in a message, got 2001",
    ),
    ("many not a list", lambda: many(5), "bad-many", "commands"),
    ("a row too short", lambda: many([["d-1", "accounts.deposit", 1, None]]), "bad-many", "expected \\[id, task"),
    ("a row's task a list", lambda: many([["d-1", [], 1, None, {}]]), "bad-many", "expected \\[id, task"),
    ("a row's id a number", lambda: many([[1, "accounts.deposit", 1, None, {}]]), "bad-id", "got 1"),
    ("a row's version text", lambda: many([["d-1", "accounts.deposit", "1", None, {}]]), "bad-header", "version"),
    ("a row's key a list", lambda: many([["d-1", "accounts.deposit", 1, [], {}]]), "bad-header", "key"),
]


# What py-amqp makes of an AMQP table: among others text with lone surrogates, bytes, times.
amqp_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary(max_size=9)
    | st.text(st.characters(exclude_categories=[]), max_size=9) | st.datetimes() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=10,
)
bodies = st.one_of(
    st.binary(max_size=50),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.tuples(st.just([]), json_values, st.just({})).map(lambda value: json.dumps(value).encode()),
    st.lists(json_values, max_size=3).map(lambda rows: json.dumps([[], {"commands": rows}, {}]).encode()),
    st.lists(
        st.tuples(st.text(max_size=9), st.just("accounts.deposit"), json_values, json_values, st.just({})), max_size=3
    ).map(lambda rows: json.dumps([[], {"commands": rows}, None]).encode()),
)
known_headers = st.fixed_dictionaries(
    {},
    optional={
        "task": st.sampled_from(["accounts.deposit", "writegate.many", "writegate.lookup", "x"]) | amqp_values,
        "id": st.sampled_from(["d-1"]) | amqp_values,
        **{name: st.none() | amqp_values for name in ("eta", "expires", "group", "x-delivery-count")},
        **{f"writegate-{name}": amqp_values for name in ("key", "version", "user", "hops")},
    },
)
any_headers = st.builds(
    lambda some, more: {**more, **some}, known_headers, st.dictionaries(st.text(max_size=5), amqp_values, max_size=2)
)
any_properties = st.fixed_dictionaries(
    {"content_type": st.just("application/json") | amqp_values},
    optional={name: st.text(max_size=20) for name in ("user_id", "reply_to", "correlation_id")},
)
