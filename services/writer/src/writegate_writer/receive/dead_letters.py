"""What the broker gave up delivering: it is parked with the broker's reason, unless it had been decided before. Pure.

No contract's code sees it: that may be what ended the writers which it was delivered to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from writegate.contract.ids import ledger_id
from writegate.contract.lanes import lane_of
from writegate.contract.service import Service
from writegate.errors import MalformedMessage
from writegate.message.envelope import decode
from writegate.message.receipt import Cause
from writegate_writer.receive.delivery import Arrived, Delivery, NotYet, Refused
from writegate_writer.receive.reading import content_hash, refuse_message


def read_dead(delivery: Delivery, service: Service) -> list[Arrived | Refused]:
    """Return the parts of a dead letter. What can be read has the form of commands, so that the ledger is asked first.

    What cannot is refused for that, which says more. Nothing waits behind a dead letter: its followers have gone on.
    """
    try:
        envelope = decode(delivery.body, delivery.headers, delivery.properties)
    except MalformedMessage as error:
        return [refuse_message(delivery, error)]
    delivery.origin = envelope.user
    key = envelope.items[0].key  # of one lane, if there are several
    delivery.lane = lane_of(key, service.lanes)
    cause = cause_of(delivery.headers)
    parts: list[Arrived | Refused] = []
    for item in envelope.items:
        hash_ = content_hash(item)
        if item.task.partition(".")[0] == service.name:
            parts.append(Arrived(delivery, item, ledger_id(item.id), hash_, NotYet(cause.message)))
        else:
            parts.append(Refused(delivery, item.id, hash_, cause, item, item.fields))
    return parts


def cause_of(headers: Mapping[str, Any]) -> Cause:
    """Return why the broker gave a message up, as its header ``x-death`` says (RabbitMQ, dead letter exchanges).

    Publishers may send such a header themselves: anything may be in it.
    """
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    reason = last.get("reason")
    if not isinstance(reason, str) or not reason.isidentifier():
        reason = "unknown"
    return Cause(
        f"dead-letter: {reason[:40]}", f"the broker gave it up in {str(last.get('queue', 'some queue'))[:200]}"
    )
