"""One transaction: fence → holds → ledger → handlers → parked, deferred → outbox → COMMIT.

Either all of it happens or none: the ledger row, the effect, the parked row and the emitted commands are committed
together. So the effect happens exactly once, however often a message is delivered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pydantic_core import to_json

from writegate import contract_of
from writegate.contract.ids import ledger_id
from writegate.errors import InvalidCommand
from writegate.message.envelope import PACK_BYTES, item_of, row_bytes
from writegate.message.receipt import Receipt
from writegate_writer.decide.classify import Classified, Work, classify
from writegate_writer.decide.deferral import DeferredRow
from writegate_writer.decide.ledger_days import oldest_day
from writegate_writer.decide.result import BatchResult, Committed
from writegate_writer.decide.runs import runs_of
from writegate_writer.decide.store import Opened, Outgoing, Owner, Store
from writegate_writer.errors import HandlerFault, Outdated
from writegate_writer.handlers.emit import Emitted, collecting
from writegate_writer.receive.delivery import Arrived, NotYet, Refused
from writegate_writer.schedule.ports import Served

MAX_RESULT_BYTES = 1024


def apply(  # noqa: PLR0913, PLR0917  what a transaction is about
    store: Store, owner: Owner, services: Mapping[str, Served], service: str, work: Work, now: datetime
) -> BatchResult:
    """Decide ``work``, commands of ``service``, in one transaction.

    Raises :class:`DatabaseFault`, :class:`Reject`, :class:`HandlerFault` or :class:`Outdated`; nothing has happened
    then. One exception: when the connection is lost during COMMIT, it is unknown whether it was committed. The ledger
    decides when the batch is tried again.
    """
    try:
        return _apply(store, owner, services, service, work, now)
    except Exception:
        store.roll_back()
        raise


def _apply(  # noqa: PLR0913, PLR0917
    store: Store, owner: Owner, services: Mapping[str, Served], service: str, work: Work, now: datetime
) -> BatchResult:
    ids = [command.ledger_id for command in work.arrived]
    ids += [refused.ledger_id for refused in work.refused if refused.ledger_id]
    declared = services[service]
    since = oldest_day([*work.arrived, *work.refused], now, declared.service.retention)
    if any(row.parked is not None for row in work.replayed.values()):
        since = date.min  # the ledger row of a parked command must be found, however old it is
    opened = store.open(owner, service, ids, since)
    if opened.revision != work.revision:
        raise Outdated
    plan = classify(work, opened, declared.tables)
    if not plan.changes_anything and work.outbox_sent is None:
        store.roll_back()
        return BatchResult(plan, first=_first(store, service, plan))
    store.enter(owner, opened, service, plan.rows)
    results, emitted = _run_handlers(store, services, service, plan.fresh, opened.holds.tables)
    if not store.leave_role(owner, opened, work.outbox_sent):
        raise HandlerFault(plan.fresh[0].item.task, "a handler ended the writer's transaction and began another")
    _record(store, owner, opened, service, plan, work.replayed)
    outgoing = store.fill_outbox(owner, emitted) if emitted else []
    lsn, at = store.commit()
    return BatchResult(plan, Committed(opened.xid, lsn, at), results, _first(store, service, plan), outgoing)


def _record(  # noqa: PLR0913, PLR0917
    store: Store, owner: Owner, opened: Opened, service: str, plan: Classified, replayed: Mapping[str, DeferredRow]
) -> None:
    again: dict[int, Refused] = {}
    ahead: list[Refused] = []
    behind: list[Refused] = []
    for refused in plan.parked:
        row = replayed.get(refused.ledger_id or "")
        if row is not None and row.parked is not None:
            again[row.parked] = refused
        else:
            (behind if plan.deferred and not refused.parks_key else ahead).append(refused)
    # Parked and deferred commands draw their places in this order: what is deferred behind a parked command comes after
    # it. A command that was parked without stopping its key comes after whatever is deferred now.
    places = {id_: row.seq for id_, row in replayed.items()}
    if ahead:
        store.park(ahead, places)
    if plan.deferred:
        store.defer(owner, plan.deferred)
    if behind:
        store.park(behind, places)
    if plan.replayed_applied or plan.replayed_parked:
        store.settle_deferred([row.seq for row in plan.replayed_applied], [row.seq for row in plan.replayed_parked])
    applied = {row.parked: ledger_id(row.item.id) for row in plan.replayed_applied if row.parked is not None}
    if applied or again:
        store.settle_parked(opened, service, applied, again)


def _run_handlers(
    store: Store, services: Mapping[str, Served], service: str, fresh: Sequence[Arrived], held: Collection[str]
) -> tuple[dict[str, Any], list[Outgoing]]:
    results: dict[str, Any] = {}
    outgoing: list[Outgoing] = []
    before = store.changed_rows() if held and fresh else {}
    for run in runs_of(fresh):
        task = run[0].item.task
        with collecting() as emitted:
            returned = store.call(
                service, task, [arrived.command for arrived in run if not isinstance(arrived.command, NotYet)]
            )
        if held:
            _check_untouched(task, before, store.changed_rows(), held)
        if returned:
            results.update(_checked(task, returned))
        origins = {arrived.item.id: arrived.delivery.origin for arrived in run} if emitted else {}
        outgoing += [_outgoing(task, command, origins, services) for command in emitted]
    return results, outgoing


def _check_untouched(task: str, before: Mapping[str, int], after: Mapping[str, int], held: Collection[str]) -> None:
    """Raise :class:`HandlerFault` when a handler changed a held table that it is not registered with."""
    if touched := [table for table in held if after.get(table, 0) != before.get(table, 0)]:
        raise HandlerFault(task, f"it changed {touched[0]}, which is held, and which it is not registered with")


def _checked(task: str, returned: Mapping[str, Any]) -> Mapping[str, Any]:
    for command_id, result in returned.items():
        size = len(to_json(result))
        if size > MAX_RESULT_BYTES:
            raise HandlerFault(
                task, f"the result for {command_id} is {size} bytes of JSON, at most {MAX_RESULT_BYTES} are kept"
            )
    return returned


def _outgoing(
    task: str, emitted: Emitted, origins: Mapping[str, str | None], services: Mapping[str, Served]
) -> Outgoing:
    try:
        item, service = item_of(emitted.command), contract_of(emitted.command).service
    except InvalidCommand as error:
        raise HandlerFault(task, f"it emitted a command that cannot be sent: {error}") from error
    if service not in services:
        raise HandlerFault(task, f"it emitted {item.task}, a command of a service that is not installed here")
    if row_bytes(item) > PACK_BYTES:
        raise HandlerFault(
            task, f"it emitted {item.task} with {len(item.fields)} bytes of JSON, at most {PACK_BYTES} can be sent"
        )
    origin = origins.get(emitted.parent_id) if emitted.parent_id else None
    return Outgoing(0, item, service, emitted.parent_id, origin)


def _first(store: Store, service: str, plan: Classified) -> Mapping[str, Receipt]:
    """Return the first receipts of repeated commands, of those whose senders asked for a receipt."""
    asked = [command.item.id for command, _ in plan.repeated if command.delivery.reply_to is not None]
    return store.look_up(service, asked) if asked else {}
