"""What nobody should send, straight into a lane: parked with its cause, and the writer goes on."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pika
import pytest

from tests.integration.gate import WRITER, Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Deposit, trial
from writegate.contract.ids import new_id
from writegate.contract.lanes import lane_of
from writegate.message.envelope import HOPS_HEADER, KEY_HEADER, VERSION_HEADER, Message, encode, item_of
from writegate.message.topology import queue_name

ACCOUNT = "neighbour"  # of the good commands around the bad ones
LANE = queue_name("trial", lane_of(ACCOUNT, trial.lanes))
EMBED = b'{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'


@dataclass(frozen=True)
class Bad:
    """A good command with something replaced; ``without``: headers left out."""

    cause: str
    body: bytes | None = None
    headers: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)

    def message(self, seq: int) -> Message:
        """Without an id of its own its content is its id: no two are alike."""
        good = encode(item_of(Deposit(account=ACCOUNT, seq=-seq)))
        headers = {name: value for name, value in {**good.headers, **self.headers}.items() if name not in self.without}
        return Message(good.body if self.body is None else self.body, headers, {**good.properties, **self.properties})


def kwargs(text: bytes) -> bytes:
    return b"[[]," + text + b"," + EMBED + b"]"


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"h": value}
    return value


def protocol_1() -> Bad:
    body = b'{"task":"trial.deposit","id":"one","args":[],"kwargs":{"account":"a","seq":1},"retries":0,"eta":null}'
    return Bad("protocol", body, without=tuple(Bad("").message(0).headers))


MANY = {"task": "writegate.many"}
DEPTH = 2000  # Python's own limit is 1000 calls
BAD = {
    "a number": Bad("protocol", b"5"),
    "two items": Bad("protocol", b"[1,2]"),
    "an object": Bad("protocol", b"{}"),
    "invalid JSON": Bad("invalid-json", b"[[], {"),
    "no body": Bad("invalid-json", b""),
    "not UTF-8": Bad("invalid-json", kwargs(b'{"account":"\xff","seq":1}')),
    "a lone surrogate": Bad("invalid-json", kwargs(b'{"account":"\\ud800 and more","seq":1}')),
    "NaN": Bad("invalid-json", kwargs(b'{"account":"a","seq":NaN}')),
    "a number too big": Bad("invalid-json", kwargs(b'{"account":"a","seq":1e999}')),
    "a huge integer": Bad("invalid-json", b"9" * 5000),
    "a long integer": Bad("protocol", b"9" * 4000),
    "deep nesting": Bad("invalid-json", b"[" * 100_000),
    "an integer beyond the column": Bad("sqlstate-22003", kwargs(b'{"account":"neighbour","seq":' + b"9" * 40 + b"}")),
    "a NUL in a field": Bad("bad-fields", kwargs(b'{"account":"\\u0000","seq":1}'), without=(KEY_HEADER,)),
    "a field too many": Bad("bad-fields", kwargs(b'{"account":"a","seq":1,"extra":1}')),
    "a text for a number": Bad("bad-fields", kwargs(b'{"account":"a","seq":"1"}')),
    "pickle": Bad("not-json", pickle.dumps({"a": 1}), properties={"content_type": "application/x-python-serialize"}),
    "data": Bad("not-json", properties={"content_type": "application/data", "content_encoding": "binary"}),
    "1 MiB": Bad("too-large", kwargs(b'{"account":"' + b"a" * 1024**2 + b'"}')),
    "no id": Bad("no-id", without=("id",)),
    "a number as id": Bad("bad-id", headers={"id": 7}),
    "a NUL in the id": Bad("bad-id", headers={"id": "a\0b"}),
    "a list as task": Bad("no-task", headers={"task": ["trial.deposit"]}),
    "an unknown task": Bad("unknown-task", headers={"task": "trial.unknown"}),
    "a NUL in the task": Bad("no-task", headers={"task": "trial.\0"}),
    "a task of another service": Bad("wrong-service", headers={"task": "flights.record_departure"}),
    "a task of Writegate's": Bad("wrong-service", headers={"task": "writegate.unknown"}),
    "protocol 1": protocol_1(),
    "positional arguments": Bad("positional-args", b'[["a", 1], {}, ' + EMBED + b"]"),
    "a list for kwargs": Bad("not-kwargs", kwargs(b"[1]")),
    "eta": Bad("eta", headers={"eta": "2030-01-01T00:00:00"}),
    "expires": Bad("expires", headers={"expires": "2030-01-01T00:00:00"}),
    "a chord": Bad("canvas", kwargs(b"{}").replace(b'"chord":null', b'"chord":{"task":"x"}')),
    "a group": Bad("canvas", headers={"group": "g"}),
    "another key": Bad("wrong-key", headers={KEY_HEADER: "other"}),
    "a list as key": Bad("bad-header", headers={KEY_HEADER: ["a"]}),
    "version 0": Bad("bad-header", headers={VERSION_HEADER: 0}),
    "headers nested deep": Bad("protocol", headers={"deep": nested(DEPTH)}),
    "a property that is no text": Bad("protocol", properties={"content_encoding": b"\xff"}),
    "many of nothing": Bad("bad-many", kwargs(b'{"commands":[]}'), MANY),
    "many of something else": Bad("bad-many", kwargs(b'{"commands":[[1,2]]}'), MANY),
}


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_bad_input") as running:
        yield running


def good(seq: int) -> Message:
    return encode(item_of(Deposit(account=ACCOUNT, seq=seq)))


def too_old() -> str:
    """Return a UUIDv7 of eight days ago."""
    return f"{int((datetime.now(UTC).timestamp() - 8 * 86400) * 1000):012x}"[:8] + new_id()[8:]


@pytest.fixture
def _deep() -> Iterator[None]:
    """The client here is written in Python too."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(4 * DEPTH)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("_deep")
def test_each_is_parked_with_its_cause_and_the_writer_goes_on(gate: Gate) -> None:
    assert lane_of("afar", trial.lanes) != lane_of(ACCOUNT, trial.lanes)
    writer = gate.writers.start()
    parked = {}
    with gate.broker.channel() as channel:
        send(channel, LANE, good(0))
        for seq, (name, bad) in enumerate(BAD.items(), start=1):
            message = bad.message(seq)
            before = gate.database.value("SELECT coalesce(max(seq), 0) FROM writegate.parked")
            send(channel, LANE, message)
            send(channel, LANE, good(seq))
            gate.database.wait_entries(ACCOUNT, seq + 1)
            rows = gate.database.sql("SELECT cause, raw FROM writegate.parked WHERE seq > %s", [before])
            # Its whole body, or when that could be read, the fields in it.
            parked[name] = [(cause, bytes(raw) in message.body) for cause, raw in rows]
    assert parked == {name: [(bad.cause, True)] for name, bad in BAD.items()}
    assert gate.database.entries(ACCOUNT) == {ACCOUNT: list(range(len(BAD) + 1))}
    assert writer.alive
    assert "Traceback" not in writer.log
    gate.assert_drained()


def test_what_a_writer_has_forwarded_is_not_forwarded_again(gate: Gate) -> None:
    """Only a writer's own user can say that it was forwarded: whatever others say, it is forwarded once."""
    afar = Bad("", kwargs(b'{"account":"afar","seq":1}'), {HOPS_HEADER: 1, KEY_HEADER: "afar"})
    if not any(writer.alive for writer in gate.writers.values()):
        gate.writers.start("writer-hops")
    said = afar.message(1)
    with gate.broker.channel() as channel:
        send(channel, LANE, said)
    gate.database.wait_entries("afar", 1)
    again = afar.message(2)
    parameters = pika.URLParameters(gate.broker.url(WRITER))
    with closing(pika.BlockingConnection(parameters)) as connection:
        properties = {**again.properties, "user_id": WRITER}
        send(connection.channel(), LANE, Message(again.body, again.headers, properties))
    [parked] = gate.database.wait_parked(str(again.headers["id"])).values()
    assert parked[0] == "second-hop"
