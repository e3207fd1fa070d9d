"""Attacks through the broker, by a service that may publish to its own exchange."""

from __future__ import annotations

import socket
import uuid
from dataclasses import replace
from itertools import count
from typing import Any, Final

from pydantic_core import to_json

from tests.attacks.attack import Attack
from tests.attacks.target import MOST_PARKED, WRITERS, Attacker, Target
from tests.services.trial.contract import Deposit
from writegate.contract.ids import new_id
from writegate.message.envelope import LOOKUP_TASK, MAX_PARTS, Item, Message, encode, encode_many, item_of
from writegate.message.topology import dead_queue_name, queue_name
from writegate_writer.decide.deferral import MOST_NEWER_COMMANDS

VICTIM: Final = "shards"  # the neighbour's service


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
                attacker.send(look_up("x"), reply_to=f"{writer}@{socket.gethostname()}.celery.pidbox")
        settle(target, attacker, "replies")
    return "600 look-ups, no reply"


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
    rows = [Item(new_id(), "trial.deposit", 1, "amplified", b"{}") for _ in range(MAX_PARTS)]
    message = encode_many(new_id(), rows)
    with target.attacker() as attacker:
        for size in (15_000, 100_000):
            headers = {**message.headers, "id": new_id(), "filler": "x" * size}
            attacker.send(Message(message.body, headers, message.properties), "amplified")
        settle(target, attacker, "amplified")
    grown = target.parked_bytes() - before
    assert grown < 4 * 1024**2, f"two messages of {len(message.body)} bytes each parked {grown} bytes"
    return f"parked {grown // 1024} KiB"


def too_many_parts(target: Target) -> str:
    """Messages of as many commands as fit the bytes: 6,000 each. Every one of them is one row."""
    row = b'["%s","trial.deposit",1,"x",{}]'
    with target.attacker() as attacker:
        for _ in range(5):
            message = encode_many(new_id(), [])
            rows = b",".join(row % str(number).encode() for number in range(6000))
            body = b'[[],{"commands":[' + rows + b"]},{}]"
            attacker.send(Message(body, message.headers, message.properties), "parts")
        settle(target, attacker, "parts")
    parked = target.gate.database.value("SELECT count(*) FROM writegate.parked WHERE cause = 'too-many'")
    assert parked % 5 == 0, f"expected five rows a try, got {parked}"
    assert target.gate.database.value("SELECT count(*) FROM writegate.parked WHERE id = '1'") == 0
    return "5 rows"


def many_look_ups(target: Target) -> str:
    """40 messages of 2,000 look-ups each: they are answered within a budget, after the writes."""
    reply_to = str(uuid.uuid4())
    with target.attacker() as attacker:
        for _ in range(40):
            rows = [Item(new_id(), LOOKUP_TASK, 1, None, to_json({"id": str(uuid.uuid4())})) for _ in range(MAX_PARTS)]
            attacker.send(encode_many(new_id(), rows), reply_to=reply_to)
        settle(target, attacker, "look-ups", "look-ups, other lane")
    return "80,000 look-ups"


def unknown_versions(target: Target) -> str:
    """Versions that no writer knows, with a victim's key: good commands of it used to wait behind them for ever."""
    with target.attacker() as attacker:
        for number in range(10):
            version = 2**31 - 1 - number
            rows = [replace(item_of(Deposit(account="versions", seq=-1)), version=version) for _ in range(1000)]
            attacker.send(encode_many(new_id(), rows), "versions")
        settle(target, attacker, "versions")
    deferred = target.gate.database.value("SELECT count(*) FROM writegate.deferred WHERE key = 'versions'")
    assert deferred == 0, f"{deferred} commands wait for a version that nobody can have"
    return "10,000 parked, those behind them applied"


def next_versions(target: Target) -> str:
    """Versions that a later writer might know: of a publisher only some wait, the others are parked."""
    before = _deferred(target)
    with target.attacker() as attacker:
        for number in range(10):
            made = [Deposit(account=f"next-{number}", seq=seq) for seq in range(1000)]
            rows = [replace(item_of(command), version=2) for command in made]
            attacker.send(encode_many(new_id(), rows), f"next-{number}")
        settle(target, attacker, "versions", "versions, other lane")
    waiting = _deferred(target) - before
    assert waiting <= MOST_NEWER_COMMANDS, f"{waiting} commands of one publisher wait for another version"
    target.gate.database.sql("DELETE FROM writegate.deferred WHERE key LIKE 'next-%%'")
    target.gate.database.sql("UPDATE writegate.domain SET revision = revision + 1")
    return f"{waiting} wait"


def _deferred(target: Target) -> int:
    return int(target.gate.database.value("SELECT count(*) FROM writegate.deferred WHERE state = 'deferred'"))


def more_than_may_be_parked(target: Target) -> str:
    """Nothing but junk: from some number on the service is not consumed, and it goes on once people have decided."""
    gate, waiting = target.gate, Deposit(account="parked", seq=0)
    row = b'["%d","trial.deposit",1,"parked",{}]'
    numbers = count()
    with target.attacker() as attacker:
        while not any("lanes.overfull" in writer.log for writer in gate.writers.values()):
            many = encode_many(new_id(), [])
            rows = b",".join(row % next(numbers) for _ in range(MAX_PARTS))
            attacker.send(Message(b'[[],{"commands":[' + rows + b"]},{}]", many.headers, many.properties), "parked")
            before = next(numbers)
            assert before < 10 * MOST_PARKED, f"{before} were parked"
        attacker.send(encode(item_of(waiting)), "parked")
    parked = gate.database.value("SELECT count(*) FROM writegate.parked")
    assert gate.database.entries("parked")["parked"] == []
    target.decide_parked()
    gate.database.wait_entries("parked", 1)
    return f"{parked} parked, {next(numbers)} sent"


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
    Attack("versions that nobody can have", unknown_versions),
    Attack("versions that somebody might have", next_versions),
    Attack("more than may be parked", more_than_may_be_parked),
    Attack("look-ups by the thousand", many_look_ups),
    Attack("junk of a megabyte each", junk),
)
