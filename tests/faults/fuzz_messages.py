"""Messages that anybody may send to a lane, from a seed: good ones altered in every place, and anything at all.

Each has the ids under which it may be found afterwards, whatever the writer makes of it.
"""

from __future__ import annotations

import gzip
import json
import pickle
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from random import Random
from typing import Any, Final

from tests.services.trial.contract import Deposit, trial
from writegate.contract.ids import new_id
from writegate.contract.lanes import lane_of
from writegate.message.envelope import LOOKUP_TASK, MANY_TASK, Message, encode, item_of

GOOD: Final = "good"  # the kind of every tenth
GOOD_EVERY: Final = 10
GOOD_ACCOUNTS: Final = 8
EMBED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

Body = dict[str, Any]


@dataclass(frozen=True)
class Probe:
    """A message, where it goes, and how to find out what became of it.

    ``ids``: under one of these the whole message is parked; ``rows``: the ids of the commands in it, each of which is
    decided for itself when the message as a whole is not parked. ``question``: asks something, and leaves nothing.
    """

    serial: int
    kind: str
    routing_key: str
    message: Message
    ids: frozenset[str]
    rows: tuple[str, ...]
    question: bool


class Forge:
    """Makes the messages of one seed, one after the other."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._serial = 0
        self._earlier: list[Message] = []  # some that were sent before

    def next(self) -> Probe:
        """Return another message; one in ten is a good one."""
        serial = self._serial
        self._serial += 1
        if serial % GOOD_EVERY == 0:
            return _probe(serial, GOOD, good(serial), _lane_of(good_account(serial)))
        kind, make = self.random.choice(KINDS)
        account = f"fuzz-{serial}"
        message = make(self, encode(item_of(Deposit(account=account, seq=serial))))
        if self.random.random() < 0.05:
            self._earlier.append(message)
        lane = self.random.choice([_lane_of(account)] * 4 + ["0", "1", "any"])
        return _probe(serial, kind, message, lane)

    # What is altered. Each gets a good message and returns what is sent.

    def headers(self, message: Message) -> Message:
        """Some of the headers that mean something are missing, or have values that they should not have."""
        changed = dict(message.headers)
        for name in self.random.sample(MEANT, self.random.randint(1, 3)):
            if self.random.random() < 0.3:
                changed.pop(name, None)
            else:
                changed[name] = self.random.choice([*self._telling(), self.table_value()])
        return replace(message, headers=changed)

    def table(self, message: Message) -> Message:
        """Headers that are any table at all, or more of them than anybody needs."""
        table = {self.text(20): self.table_value() for _ in range(self.random.randint(0, 5))}
        if self.random.random() < 0.1:
            table = {f"h{number}": "x" * 100 for number in range(500)}
        return replace(message, headers=table | self.random.choice([{}, message.headers]))

    def fields(self, message: Message) -> Message:
        """Fields that are missing, too many, or of another type."""
        fields = json.loads(message.body)[1]
        for _ in range(self.random.randint(1, 3)):
            name = self.random.choice(["account", "seq", "amount", self.text(5)])
            if self.random.random() < 0.2:
                fields.pop(name, None)
            else:
                fields[name] = self.json_value()
        return _with_kwargs(message, fields)

    def refused_by_the_database(self, message: Message) -> Message:
        """Fields that pass the contract and nothing else."""
        if self.random.random() < 0.9:
            return message  # one poison costs some twenty transactions
        fields = json.loads(message.body)[1]
        return _with_kwargs(message, fields | {"amount": self.random.choice([-1, 2**31, 10**40])})

    def bytes(self, message: Message) -> Message:
        """A body with some bytes changed, left out or added."""
        body = bytearray(message.body)
        for _ in range(self.random.randint(1, 5)):
            at = self.random.randrange(len(body) + 1)
            body[at : at + self.random.choice([0, 1, 1, 7])] = self.random.randbytes(self.random.choice([0, 1, 3]))
        return replace(message, body=bytes(body))

    def body(self, message: Message) -> Message:
        """Any JSON, or any bytes, for a body."""
        choices: list[Callable[[], bytes]] = [
            lambda: self.random.randbytes(self.random.randint(0, 200)),
            lambda: _json(self.json_value()),
            lambda: _json([[], self.json_value(), EMBED]),
            lambda: _json([self.json_value(), self.json_value(), self.json_value()]),
            lambda: b"[" * self.random.randint(1, 100_000),
            lambda: b'{"a":' * self.random.randint(1, 20_000),
            lambda: b"9" * self.random.randint(1, 6000),
        ]
        return replace(message, body=self.random.choice(choices)())

    def numbers(self, message: Message) -> Message:
        """Numbers that JSON or a column has no room for."""
        number = self.random.choice([b"NaN", b"-Infinity", b"1e999", b"1E400", b"-0", b"1.0", b"0x10", b"9" * 5000])
        return replace(message, body=message.body.replace(b'"amount":1', b'"amount":' + number))

    def text_in_fields(self, message: Message) -> Message:
        """Text that is no Unicode, or that PostgreSQL cannot store."""
        bad = self.random.choice([b"\\ud800", b"\\u0000", b"\xff\xfe", b"\xed\xa0\x80", b"\\\\u0000", b"\\x", b"\n"])
        return replace(message, body=message.body.replace(b"fuzz-", b"fuzz-" + bad))

    def properties(self, message: Message) -> Message:
        """Properties of any value that AMQP can carry."""
        changed = dict(message.properties)
        for name in self.random.sample(PROPERTIES, self.random.randint(1, 4)):
            changed[name] = self.random.choice([self.text(30), self.random.randbytes(9), "", "x" * 255])
        numbers = {
            "priority": self.random.randrange(256),
            "delivery_mode": self.random.choice([1, 2]),
            "timestamp": self.random.choice([0, 2**63, 2**64 - 1, self.random.getrandbits(64)]),
        }
        changed |= dict(self.random.sample(list(numbers.items()), self.random.randint(0, 3)))
        return replace(message, properties=changed)

    def ids(self, message: Message) -> Message:
        """Ids of all shapes, and some of times long ago and to come."""
        millis = int(time.time() * 1000)
        of_time = [0, millis - 8 * 86_400_000, millis + 365 * 86_400_000, 2**48 - 1]
        shapes: list[object] = [
            *(str(uuid.UUID(int=self.random.getrandbits(128), version=version)) for version in (1, 3, 4, 5)),
            *(str(uuid.UUID(int=of << 80 | 7 << 76 | 2 << 62 | self.random.getrandbits(62))) for of in of_time),
            str(uuid.uuid4()).upper(), "{" + str(uuid.uuid4()) + "}", uuid.uuid4().hex, f"urn:uuid:{uuid.uuid4()}",
            "", "x" * 128, "é" * 65, f"order {self.random.random()}", self.text(40), self.table_value(),
        ]  # fmt: skip
        return replace(message, headers={**message.headers, "id": self.random.choice(shapes)})

    def again(self, message: Message) -> Message:
        """What was sent before, as it was or with other content."""
        if not self._earlier:
            return message
        earlier = self.random.choice(self._earlier)
        return self.random.choice([earlier, replace(earlier, body=message.body)])

    def many(self, message: Message) -> Message:
        """Many in one message, in all states of repair."""
        rows: list[Any] = [
            [new_id(), "trial.deposit", 1, account, {"account": account, "seq": number}]
            for number in range(self.random.randint(0, 5))
            for account in [f"many-{self._serial}-{number}"]
        ]
        for row in self.random.sample(rows, min(len(rows), self.random.randint(0, 2))):
            row[self.random.randrange(5)] = self.random.choice([*self._telling(), self.json_value()])
        if self.random.random() < 0.2:
            rows.insert(0, self.json_value())
        kwargs: Any = self.random.choice([{"commands": rows}] * 5 + [rows, {"commands": self.json_value()}])
        return _with_kwargs(replace(message, headers={**message.headers, "task": MANY_TASK}), kwargs)

    def not_json(self, message: Message) -> Message:
        """Other content, and JSON under another name."""
        value = json.loads(message.body)
        body, kind = self.random.choice(
            [
                (pickle.dumps(value), "application/x-python-serialize"),
                (pickle.dumps(value), "application/json"),
                (gzip.compress(message.body), "application/json"),
                (b"- []", "application/x-yaml"),
                (message.body, "application/data"),
                (message.body, "application/json; charset=latin-1"),
            ]
        )
        headers = {**message.headers, "compression": "application/x-gzip"}
        return Message(body, headers, {**message.properties, "content_type": kind})

    def protocol_1(self, message: Message) -> Message:
        """What Celery 3 sent."""
        fields = json.loads(message.body)[1]
        body = {"task": "trial.deposit", "id": new_id(), "args": [], "kwargs": fields, "retries": 0, "eta": None}
        return Message(_json(body), {}, message.properties)

    def canvas(self, message: Message) -> Message:
        """What Celery can do and a writer does not."""
        args, kwargs, embed = json.loads(message.body)
        embed = embed | {self.random.choice(list(EMBED)): self.random.choice([[{"task": "x"}], self.json_value()])}
        return replace(message, body=_json([self.random.choice([args, [1], self.json_value()]), kwargs, embed]))

    def large(self, message: Message) -> Message:
        """Around and over the limit."""
        if self.random.random() < 0.9:
            return message
        size = self.random.choice([256 * 1024 - 200, 256 * 1024, 600 * 1024])
        return _with_kwargs(message, {"account": "x" * size, "seq": self._serial})

    def expiring(self, message: Message) -> Message:
        """May be over before a writer sees it: then the broker puts it with the dead letters."""
        return replace(
            message, properties={**message.properties, "expiration": self.random.choice(["0", "1", "60000"])}
        )

    def copied(self, message: Message) -> Message:
        """Comes in both lanes, since the broker copies it."""
        return replace(message, headers={**message.headers, "CC": ["0", "1"]})

    def question(self, message: Message) -> Message:
        """A question what became of a command."""
        asked: object = self.random.choice([new_id(), self.json_value()])
        return _with_kwargs(replace(message, headers={**message.headers, "task": LOOKUP_TASK}), {"id": asked})

    # Values.

    def text(self, most: int) -> str:
        """Any text, with all that is strange."""
        return "".join(
            self.random.choice(["a", "é", "\0", "\ud800", "\udfff", "😀", "\n", "'", "\\", '"', "\u202e"])
            for _ in range(self.random.randint(0, most // 4))
        )

    def table_value(self, depth: int = 3) -> Any:
        """Anything that fits into an AMQP table."""
        values: list[Callable[[], Any]] = [
            lambda: None,
            lambda: self.random.choice([True, False]),
            lambda: self.random.choice([0, 1, -1, 5, 10, 999, 2**31, 2**63 - 1, -(2**63)]),
            lambda: self.random.choice([0.5, 5e-324, -1e308]),  # at others, NaN, the broker itself fails
            lambda: Decimal(self.random.randint(-(2**31), 2**31 - 1)).scaleb(-self.random.randint(0, 255)),
            lambda: datetime.fromtimestamp(self.random.randint(0, 2**37), UTC),
            lambda: self.text(40),
            lambda: self.random.randbytes(self.random.randint(0, 9)),
        ]
        if depth:
            values += [
                lambda: [self.table_value(depth - 1) for _ in range(self.random.randint(0, 3))],
                lambda: {self.text(12): self.table_value(depth - 1) for _ in range(self.random.randint(0, 3))},
            ]
        return self.random.choice(values)()

    def json_value(self, depth: int = 4) -> Any:
        """Anything that fits into JSON as Python writes it."""
        values: list[Callable[[], Any]] = [
            lambda: None,
            lambda: self.random.choice([True, False]),
            lambda: self.random.choice([0, -1, 2**31, 2**64, 10**40]),
            lambda: self.random.choice([0.5, 1e308, float("nan"), float("inf")]),
            lambda: self.text(40),
        ]
        if depth:
            values += [
                lambda: [self.json_value(depth - 1) for _ in range(self.random.randint(0, 4))],
                lambda: {self.text(12): self.json_value(depth - 1) for _ in range(self.random.randint(0, 4))},
            ]
        return self.random.choice(values)()

    def _telling(self) -> list[Any]:
        """Values that mean something in one place or another."""
        return [
            "trial.deposit", "trial.careful", "trial.once", "trial.run", "trial.split", "trial.", "flights.x",
            MANY_TASK, "writegate.x", 0, 1, 2, 99, -1, 2**40, True, None, "", "1", f"fuzz-{self._serial - 1}",
            "2030-01-01T00:00:00", [None, None], {},
        ]  # fmt: skip


MEANT: Final = [
    "task", "id", "eta", "expires", "group", "retries", "timelimit", "root_id", "stamps", "traceparent",
    "writegate-key", "writegate-version", "writegate-user", "writegate-hops", "x-delivery-count", "x-death",
]  # fmt: skip
# Not the user: the broker itself refuses a wrong one.
PROPERTIES: Final = [
    "content_type", "content_encoding", "correlation_id", "message_id", "type", "app_id", "cluster_id"
]  # fmt: skip
KINDS: Final[list[tuple[str, Callable[[Forge, Message], Message]]]] = [
    (make.__name__, make)
    for make in (
        Forge.headers, Forge.headers, Forge.table, Forge.fields, Forge.refused_by_the_database, Forge.bytes, Forge.body,
        Forge.numbers, Forge.text_in_fields, Forge.properties, Forge.ids, Forge.again, Forge.many, Forge.many,
        Forge.not_json, Forge.protocol_1, Forge.canvas, Forge.large, Forge.expiring, Forge.copied, Forge.question,
    )
]  # fmt: skip


def good_account(serial: int) -> str:
    """Return the account of the good message of this number."""
    return f"good-{serial // GOOD_EVERY % GOOD_ACCOUNTS}"


def good(serial: int) -> Message:
    """Return a message as our own publisher sends it."""
    return encode(item_of(Deposit(account=good_account(serial), seq=serial)))


def _lane_of(account: str) -> str:
    return str(lane_of(account, trial.lanes))


def content_id(body: bytes) -> str:
    """Return the id under which a message is parked that has none of its own."""
    return f"content-{blake2b(body, digest_size=16).hexdigest()}"


def _probe(serial: int, kind: str, message: Message, routing_key: str) -> Probe:
    task, claimed = message.headers.get("task"), message.headers.get("id")
    if isinstance(claimed, bytes):
        claimed = claimed.decode("utf-8", "replace")  # AMQP has no bytes: they arrive as text
    ids = {content_id(message.body)} | ({claimed} if isinstance(claimed, str) else set())
    rows = tuple(_ids_of_rows(message.body)) if task == MANY_TASK else ()
    return Probe(serial, kind, routing_key, message, frozenset(ids), rows, question=task == LOOKUP_TASK)


def _ids_of_rows(body: bytes) -> list[str]:
    try:
        rows = json.loads(body)[1]["commands"]
        return [row[0] for row in rows if isinstance(row[0], str)]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []


def _with_kwargs(message: Message, kwargs: Any) -> Message:
    return replace(message, body=_json([[], kwargs, EMBED]))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
