"""Reading a delivery: its parts, and what may be done with each. Nothing in it is trusted. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from pydantic_core import from_json

from writegate.contract.ids import ledger_id, millis_of
from writegate.contract.lanes import lane_of
from writegate.contract.service import Service
from writegate.errors import MalformedMessage
from writegate.message.envelope import LOOKUP_TASK, MANY_TASK, Item, decode
from writegate.message.receipt import Cause
from writegate.message.topology import route_of
from writegate.message.validation import MAX_ID_BYTES, is_id
from writegate_writer.receive.contracts import command_and_key
from writegate_writer.receive.delivery import Arrived, Delivery, Misrouted, NotYet, Part, Question, Refused
from writegate_writer.receive.kept import kept_body
from writegate_writer.receive.limits import ReadingTime, check_size
from writegate_writer.receive.verified import UNVERIFIED


def read(delivery: Delivery, service: Service, now_millis: int) -> list[Part]:
    """Return the parts of a delivery. Whatever was sent, it returns at least one part and never raises."""
    try:
        items = items_of(delivery)
        time, parts = ReadingTime(), []
        for item in items:
            parts.append(_read_or_refuse(delivery, item, service, now_millis))
            time.check()
    except MalformedMessage as error:
        return [refuse_message(delivery, error)]
    return parts


def items_of(delivery: Delivery) -> tuple[Item, ...]:
    """Return the commands in a message. Raises :class:`MalformedMessage`, also for what is too much of anything."""
    check_size(delivery)
    return decode(delivery.body, delivery.headers, delivery.properties)


def _read_or_refuse(delivery: Delivery, item: Item, service: Service, now_millis: int) -> Part:
    try:
        return _read_item(delivery, item, service, now_millis)
    except MalformedMessage as error:
        digest = content_hash(item)
        cause = Cause(error.cause, str(error))
        # The ledger keeps its id if the task is of this service: a later good command may not use the same id.
        known = ledger_id(item.id) if _owner(item.task) == service.name else None
        return Refused(delivery, item.id, digest, cause, item, item.fields, known)


def _read_item(delivery: Delivery, item: Item, service: Service, now_millis: int) -> Part:
    if item.task == LOOKUP_TASK:
        return _question(delivery, item)
    if item.task == MANY_TASK or _owner(item.task) != service.name:
        raise MalformedMessage(
            "wrong-service", f"expected a command of {service.name}, whose queue this is, got {item.task}"
        )
    if service.require_user_id and delivery.verified.origin == UNVERIFIED:
        raise MalformedMessage("unverified", f"expected the property user_id, which {service.name} requires; got none")
    command, key = command_and_key(item, service)
    if item.key is None and key is not None:
        item = replace(item, key=key)  # a stock producer sends none: from here on every item has the contract's key
    lane = delivery.lane if isinstance(command, NotYet) and key is None else lane_of(key, service.lanes)
    if lane != delivery.lane:
        if delivery.verified.forwarded:
            raise MalformedMessage(
                "second-hop", f"expected in lane {lane}, forwarded once already to lane {delivery.lane}"
            )
        return Misrouted(delivery, item, route_of(service.name, key, service.lanes))
    _refuse_too_old(item, service, now_millis)
    return Arrived(delivery, item, ledger_id(item.id), content_hash(item), command)


def _question(delivery: Delivery, item: Item) -> Question:
    asked = from_json(item.fields).get("id")
    if not is_id(asked):
        raise MalformedMessage("bad-fields", "a look-up needs the id of a command as text")
    return Question(delivery, item.id, asked)


def _refuse_too_old(item: Item, service: Service, now_millis: int) -> None:
    made = millis_of(item.id)
    if made is not None and made < now_millis - service.retention.total_seconds() * 1000:
        days = service.retention.days
        raise MalformedMessage(
            "too-old", f"the id was made over {days} days ago: whether it was applied is not known any more"
        )


def refuse_message(delivery: Delivery, error: MalformedMessage) -> Refused:
    """Return the refusal of a message that cannot be read."""
    digest = hashlib.blake2b(delivery.body, digest_size=16)
    claimed = delivery.headers.get("id")
    named = isinstance(claimed, str) and 0 < len(claimed) <= MAX_ID_BYTES
    # Without an id the hash of its content is its id, so that a redelivery is not parked twice.
    identity = str(claimed) if named else f"content-{digest.hexdigest()}"
    raw, left_out = kept_body(delivery)
    return Refused(delivery, identity, _signed(digest.digest()), Cause(error.cause, f"{error}{left_out}"), None, raw)


def content_hash(item: Item) -> int:
    """Return a signed 64-bit hash of a command's task and fields.

    The decoder gives ``fields`` one form for all producers.
    """
    return _signed(hashlib.blake2b(item.task.encode() + b"\0" + item.fields, digest_size=8).digest())


def _signed(digest: bytes) -> int:
    return int.from_bytes(digest[:8], signed=True)


def _owner(task: str) -> str:
    return task.partition(".")[0]
