"""Reading dead letters. They are parked with the broker's reason, unless they were decided before. Pure.

No code of a contract is run on it: that may be what ended the writers that it was delivered to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from writegate.contract.ids import ledger_id
from writegate.contract.lanes import lane_of
from writegate.contract.service import Service
from writegate.errors import MalformedMessage
from writegate.message.receipt import Cause
from writegate_writer.receive.delivery import Arrived, Delivery, NotYet, Refused
from writegate_writer.receive.reading import content_hash, items_of, refuse_message


def read_dead(delivery: Delivery, service: Service) -> list[Arrived | Refused]:
    """Return the parts of a dead letter.

    Readable parts are returned as commands, so that the ledger is asked whether they were decided before. The others
    are refused with the cause why they cannot be read, which is more exact than the broker's reason. No command waits
    behind a dead letter: later commands of its key have been applied meanwhile.
    """
    try:
        items = items_of(delivery)
    except MalformedMessage as error:
        return [refuse_message(delivery, error)]
    key = items[0].key  # the commands of one message are of one lane
    delivery.lane = lane_of(key, service.lanes)
    cause = cause_of(delivery.headers)
    parts: list[Arrived | Refused] = []
    for item in items:
        hash_ = content_hash(item)
        if item.task.partition(".")[0] == service.name:
            parts.append(Arrived(delivery, item, ledger_id(item.id), hash_, NotYet(cause.message)))
        else:
            parts.append(Refused(delivery, item.id, hash_, cause, item, item.fields))
    return parts


def cause_of(headers: Mapping[str, Any]) -> Cause:
    """Return why the broker gave a message up, from its header ``x-death`` (RabbitMQ, dead letter exchanges).

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
