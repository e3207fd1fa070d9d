"""Bringing a deferred command back. Pure."""

from __future__ import annotations

from writegate.contract.ids import ledger_id
from writegate.contract.service import Service
from writegate.errors import MalformedMessage
from writegate.message.receipt import Cause
from writegate_writer.decide.store import DeferredRow
from writegate_writer.receive.contracts import command_of
from writegate_writer.receive.delivery import Arrived, Delivery, Refused

# No channel has it: what came from the table is never acknowledged to the broker.
_NO_GENERATION = -1


def revive(row: DeferredRow, service: Service) -> Arrived | Refused:
    """Return a deferred command as if it arrived now; refused when today's contract does not take it."""
    delivery = Delivery(row.service, row.lane, 0, _NO_GENERATION, b"", {}, {}, 1, row.origin, row.reply_to)
    id_ = ledger_id(row.item.id)
    try:
        command = command_of(row.item, service)
    except MalformedMessage as error:
        cause = Cause(error.cause, str(error))
        return Refused(delivery, row.item.id, row.hash, cause, row.item, row.item.fields, id_)
    return Arrived(delivery, row.item, id_, row.hash, command)
