"""Attacks through the broker, by a service that may publish to its own exchange."""

from __future__ import annotations

import gzip
import socket
import uuid
from dataclasses import replace
from functools import partial
from typing import Any, Final

from pydantic_core import to_json

from tests.attacks.attack import Attack
from tests.attacks.target import WRITERS, Attacker, Target
from tests.services.trial.contract import Deposit
from writegate.contract.ids import new_id
from writegate.message.body import MAX_BODY_BYTES
from writegate.message.envelope import LOOKUP_TASK, MAX_PARTS, Item, Message, encode, encode_many, item_of
from writegate.message.topology import dead_queue_name, queue_name
from writegate_writer.decide.deferral import MOST_NEWER_COMMANDS

VICTIM: Final = "shards"  # the neighbour's service
MOST_JUNK_COMMANDS: Final = 400_000  # a machine that parks as many within the seconds between two counts has a fault


def good_commands(target: Target) -> str:
    """What everybody may send, as often as an attack sends something: the measurement itself is not the harm."""
    with target.attacker() as attacker:
        for seq in range(200):
            attacker.send(encode(item_of(Deposit(account="good", seq=seq))), "good")
    target.gate.database.wait_entries("good", 200)
    return "200 applied"


def look_up(command_id: str) -> Message:
    """Return the question for a command's receipt."""
    return encode(Item(new_id(), LOOKUP_TASK, 1, None, to_json({"id": command_id})))


def many_of(task: str, version: int, key: str | None, fields: bytes, count: int) -> Message:
    """Return a message of many commands that differ by their ids only.

    It is put together as text: who sends it shares this process, and its time, with the neighbour.
    """
    message_id = new_id()
    row = to_json([message_id, task, version, key])[1:-1] + b"," + fields
    rows = b",".join(
        b"[" + row.replace(message_id.encode(), b"%s-%d" % (message_id.encode(), n)) + b"]" for n in range(count)
    )
    message = encode_many(message_id, [])
    return replace(message, body=b'[[],{"commands":[' + rows + b"]},{}]")


def settle(target: Target, attacker: Attacker, *accounts: str) -> None:
    """Wait until what was sent before is dealt with: a good command behind it, in each of these accounts' lanes."""
    for account in accounts:
        before = len(target.gate.database.entries(account)[account])
        attacker.send(encode(item_of(Deposit(account=account, seq=before))), account)
        target.gate.database.wait_entries(account, before + 1)


def replies_to_mailboxes(target: Target) -> str:
    """The writers' remote control as the place for replies: 300 malformed bodies in a row used to end a writer."""
    with target.attacker() as attacker:
        for _ in range(300):
            for writer in WRITERS:
                attacker.send(look_up("x"), reply_to=_mailbox(writer))
        for writer in WRITERS:
            packed = many_of(LOOKUP_TASK, 1, None, to_json({"id": "x"}), 300)
            attacker.send(packed, reply_to=_mailbox(writer))
        settle(target, attacker, "replies", "replies, other lane")
    return "1,200 look-ups, no reply"


def _mailbox(writer: str) -> str:
    return f"{writer}@{socket.gethostname()}.celery.pidbox"


def replies_to_lanes(target: Target) -> str:
    """Other people's queues as the place for replies: of look-ups, of good commands and of malformed ones."""
    queues = [queue_name(VICTIM, 0), queue_name("writegate", 0), dead_queue_name(VICTIM)]
    parked = "SELECT count(*) FROM writegate.parked WHERE service <> 'trial'"
    before = target.gate.database.value(parked)
    with target.attacker() as attacker:
        for queue in queues:
            for seq in range(25):
                command = encode(item_of(Deposit(account=f"replies {queue}", seq=seq)))
                attacker.send(look_up("x"), reply_to=queue)
                attacker.send(command, f"replies {queue}", reply_to=queue)
                attacker.send(Message(b"5", command.headers, command.properties), f"replies {queue}", reply_to=queue)
        settle(target, attacker, *(f"replies {queue}" for queue in queues))
    came = target.gate.database.value(parked) - before
    assert came == 0, f"{came} replies came to lanes of others, where they are parked"
    return "75 look-ups, 75 commands and 75 malformed, no reply"


def forged_delivery_counts(target: Target) -> str:
    """A header with which the broker says how often it delivered a message before: it used to stop all other turns."""
    with target.attacker() as attacker:
        for seq in range(200):
            _send_with(attacker, Deposit(account="forged", seq=seq), {"x-delivery-count": 10 + seq})
        target.gate.database.wait_entries("forged", 200)
    largest = target.gate.database.value("SELECT count(*) FROM writegate.suspect")
    assert largest == 0, f"{largest} of them are suspected of ending writers"
    return "200 applied"


def forged_origins(target: Target) -> str:
    """Somebody else's name as the origin, and a hop that no writer has made."""
    bad = Deposit(account="origin", seq=0, amount=-1)
    with target.attacker() as attacker:
        _send_with(attacker, bad, {"writegate-user": "bank", "writegate-hops": 1}, user_id="trial")
        unsigned = Deposit(account="origin", seq=1, amount=-1)
        _send_with(attacker, unsigned, {"writegate-user": "bank"})
        ids = [bad.command_id, unsigned.command_id]
        target.gate.database.wait_parked(*ids)
    origins = dict(target.gate.database.sql("SELECT id, origin FROM writegate.parked WHERE id = ANY(%s)", [ids]))
    assert origins == {bad.command_id: "trial", unsigned.command_id: "unverified"}, origins
    return "recorded as what they are"


def _send_with(attacker: Attacker, command: Deposit, headers: dict[str, Any], **properties: Any) -> None:
    message = encode(item_of(command))
    attacker.send(
        Message(message.body, {**message.headers, **headers}, message.properties), command.account, **properties
    )


def amplified_headers(target: Target) -> str:
    """2,000 small bad commands in a message with 15 KB of headers, or with 100 KB: each row used to have them all."""
    before = target.parked_bytes()
    with target.attacker() as attacker:
        for size in (15_000, 100_000):
            message = many_of("trial.deposit", 1, "amplified", b"{}", MAX_PARTS)
            attacker.send(replace(message, headers={**message.headers, "filler": "x" * size}), "amplified")
        settle(target, attacker, "amplified")
    grown = target.parked_bytes() - before
    assert grown < 4 * 1024**2, f"two messages of {MAX_PARTS} commands each parked {grown} bytes"
    return f"parked {grown // 1024} KiB"


def too_many_parts(target: Target) -> str:
    """Messages of as many commands as fit the bytes, and one of more than fit: each is one row."""
    with target.attacker() as attacker:
        large = many_of("trial.deposit", 1, "x", b"{}", 5000)
        attacker.send(replace(large, headers={**large.headers, "filler": "x" * 15_000}), "parts")
        for _ in range(5):
            attacker.send(many_of("trial.deposit", 1, "x", b"{}", 3000), "parts")
        settle(target, attacker, "parts")
    causes = dict(target.gate.database.sql("SELECT cause, count(*) FROM writegate.parked GROUP BY cause"))
    assert causes == {"too-many": 5, "too-large": 1}, causes
    return "6 rows"


def costly_bodies(target: Target) -> str:
    """Bodies within the cap that cost much to read: 64 MB in a small gzip, brackets in brackets, a long number."""
    message = encode(item_of(Deposit(account="costly", seq=0)))
    bomb = gzip.compress(b'[[],{"account":"' + b"x" * (64 * 1024**2))
    depth = MAX_BODY_BYTES // 4
    bodies = {
        "gzip": bomb,
        "utf-8": b'[[],{"account":"costly","seq":' + b"[" * depth + b"]" * depth + b"},{}]",
        "UTF-8": b'[[],{"account":"costly","seq":' + b"7" * (MAX_BODY_BYTES - 100) + b"},{}]",
    }
    parked: list[str] = []
    with target.attacker() as attacker:
        for _ in range(10):
            for encoding, body in bodies.items():
                parked.append(new_id())
                properties = {**message.properties, "content_encoding": encoding}
                attacker.send(Message(body, {**message.headers, "id": parked[-1]}, properties), "costly")
        settle(target, attacker, "costly")
    count = target.gate.database.value("SELECT count(*) FROM writegate.parked WHERE id = ANY(%s)", [parked])
    assert count == len(parked), f"{count} of {len(parked)} are parked"
    return f"{count} parked"


def many_look_ups(target: Target) -> str:
    """40 messages of 2,000 look-ups each: they are answered within a budget, after the writes."""
    with target.attacker() as attacker:
        for _ in range(40):
            message = many_of(LOOKUP_TASK, 1, None, to_json({"id": str(uuid.uuid4())}), MAX_PARTS)
            attacker.send(message, reply_to=str(uuid.uuid4()))
        settle(target, attacker, "look-ups", "look-ups, other lane")
    return "80,000 look-ups"


def unknown_versions(target: Target) -> str:
    """Versions that no writer knows, with a victim's key: good commands of it used to wait behind them for ever."""
    with target.attacker() as attacker:
        for number in range(10):
            fields = b'{"account":"versions","seq":-1}'
            attacker.send(many_of("trial.deposit", 2**31 - 1 - number, "versions", fields, 1000), "versions")
        settle(target, attacker, "versions")
    deferred = target.gate.database.value("SELECT count(*) FROM writegate.deferred WHERE key = 'versions'")
    assert deferred == 0, f"{deferred} commands wait for a version that nobody can have"
    return "10,000 parked, those behind them applied"


def next_versions(target: Target) -> str:
    """Versions that a later writer might know: of a publisher only some wait, the others are parked."""
    waiting = "SELECT count(*) FROM writegate.deferred WHERE state = 'deferred'"
    with target.attacker() as attacker:
        for number in range(10):
            fields = b'{"account":"next-%d","seq":1}' % number
            attacker.send(many_of("trial.deposit", 2, f"next-{number}", fields, 1000), f"next-{number}")
        settle(target, attacker, "versions", "versions, other lane")
    count = target.gate.database.value(waiting)
    # As if people had decided about them.
    target.gate.database.sql("DELETE FROM writegate.deferred WHERE key LIKE 'next-%%'")
    target.gate.database.sql("UPDATE writegate.domain SET revision = revision + 1")
    assert count <= MOST_NEWER_COMMANDS, f"{count} commands of one publisher wait for another version"
    return f"{count} wait"


def more_than_may_be_parked(target: Target) -> str:
    """Nothing but junk: from some number on the service is not consumed, and it goes on once people have decided."""
    gate = target.gate

    def overfull() -> int:
        return sum(writer.log.count("lanes.overfull") for writer in gate.writers.values())

    def parked() -> int:
        return int(gate.database.value("SELECT count(*) FROM writegate.parked"))

    def caught_up(sent: int) -> bool:
        return overfull() > before or parked() > sent - 5 * MAX_PARTS

    before, sent = overfull(), 0
    good = Deposit(account=f"parked {before}", seq=0)
    with target.attacker() as attacker:
        # What is parked is counted every few seconds: how much it is by then depends on the machine.
        while overfull() == before and sent < MOST_JUNK_COMMANDS:
            attacker.send(many_of("trial.deposit", 1, good.account, b"{}", MAX_PARTS), good.account)
            sent += MAX_PARTS
            # Not far ahead of the writers: all of it is parked before the good command is applied.
            gate.wait(partial(caught_up, sent), "the junk is parked")
        gate.wait(lambda: overfull() > before, "the lanes of a service with too much parked are not consumed")
        for _ in range(5):
            attacker.send(many_of("trial.deposit", 1, good.account, b"{}", MAX_PARTS), good.account)
        attacker.send(encode(item_of(good)), good.account)
    sent += 5 * MAX_PARTS
    count = parked()
    assert count < sent, f"all {sent} were parked"

    def goes_on() -> bool:
        target.decide_parked()
        return gate.database.entries(good.account)[good.account] == [0]

    gate.wait(goes_on, "it is consumed again once people have decided")
    return f"{count} of {sent} parked"


def junk(target: Target) -> str:
    """Bodies of a megabyte: of each its beginning, its size and its digest are kept."""
    before = target.parked_bytes()
    message = encode(item_of(Deposit(account="junk", seq=0)))
    with target.attacker() as attacker:
        for number in range(100):
            body = str(number).encode() * (1024**2 // len(str(number)))
            headers = {**message.headers, "id": new_id()}
            attacker.send(Message(body, headers, message.properties), "junk")
        settle(target, attacker, "junk")
    grown = target.parked_bytes() - before
    assert grown < 2 * 1024**2, f"100 MB of junk parked {grown} bytes"
    return f"100 MB, parked {grown // 1024} KiB"


BROKER_ATTACKS: Final = (
    Attack("200 good commands", good_commands),
    Attack("replies to writers' mailboxes", replies_to_mailboxes),
    Attack("replies to others' lanes", replies_to_lanes),
    Attack("forged delivery counts", forged_delivery_counts),
    Attack("forged origins", forged_origins),
    Attack("amplified headers", amplified_headers),
    Attack("too many parts", too_many_parts),
    Attack("bodies that cost much to read", costly_bodies),
    Attack("versions that nobody can have", unknown_versions),
    Attack("versions that somebody might have", next_versions),
    Attack("more than may be parked", more_than_may_be_parked),
    Attack("look-ups by the thousand", many_look_ups),
    Attack("junk of a megabyte each", junk),
)
