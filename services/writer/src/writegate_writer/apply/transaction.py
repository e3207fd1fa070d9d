"""One transaction: fence → holds → ledger → handlers → parked, deferred → outbox → COMMIT.

Either all of it happens or none: the ledger row, the effect, the parked row and the emitted commands are committed
together. So the effect happens exactly once, however often a message is delivered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydantic_core import to_json

from writegate import contract_of
from writegate.errors import InvalidCommand
from writegate.message.envelope import PACK_BYTES, item_of, row_bytes
from writegate.message.receipt import Receipt
from writegate_writer.decide.classify import Classified, Work, classify
from writegate_writer.decide.deferral import DeferredRow
from writegate_writer.decide.ledger_days import oldest_day
from writegate_writer.decide.result import BatchResult, Committed
from writegate_writer.decide.runs import runs_of
from writegate_writer.decide.store import Decision, Opened, Outgoing, Owner, Store
from writegate_writer.errors import Decline, HandlerFault, Outdated
from writegate_writer.handlers.declining import Untouched, sharing_savepoints
from writegate_writer.handlers.emit import Emitted, collecting
from writegate_writer.receive.delivery import Arrived, NotYet, Refused
from writegate_writer.schedule.ports import Served

MAX_RESULT_BYTES = 1024


def apply(  # noqa: PLR0913, PLR0917  what a transaction is about
    store: Store, owner: Owner, services: Mapping[str, Served], service: str, work: Work, now: datetime
) -> BatchResult:
    """Decide ``work``, commands of ``service``, in one transaction.

    Raises :class:`DatabaseFault`, :class:`Reject`, :class:`Decline`, :class:`HandlerFault` or :class:`Outdated`;
    nothing has happened then. One exception: when the connection is lost during COMMIT, it is unknown whether it was
    committed. The ledger decides when the batch is tried again.
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
    store.enter(owner, opened, service, len(plan.rows))
    answers = _run_handlers(store, services, service, plan.fresh, opened.holds.tables)
    plan.answered(answers.results, answers.declined)
    if not store.leave_role(owner, opened, service, plan.rows, work.outbox_sent):
        task = work.arrived[0].item.task
        raise HandlerFault(task, "a handler ended the writer's transaction and began another")
    if work.is_trial:
        store.check_constraints()
        store.roll_back()
        return BatchResult(plan)
    _record(store, owner, opened, service, plan, work.replayed)
    outgoing = store.fill_outbox(owner, answers.emitted) if answers.emitted else []
    lsn, at = store.commit()
    return BatchResult(plan, Committed(opened.xid, lsn, at), _first(store, service, plan), outgoing)


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
    if plan.replayed:
        store.settle_deferred({row.seq: outcome for row, outcome in plan.replayed.values()})
    decided = {
        # Without a decision it was decided before, and its row in the ledger stays as it is.
        row.parked: plan.decisions.get(id_) or Decision(id_, opened.known[id_].outcome, row.hash)
        for id_, (row, outcome) in plan.replayed.items()
        if row.parked is not None and outcome != "parked"
    }
    if plan.removed:
        store.end_removals(service, plan.removed)
    if decided or again:
        store.settle_parked(opened, service, decided, again)


@dataclass(slots=True)
class _Answers:
    """What the handlers of a transaction answered: results as JSON and reasons to decline, both by command id."""

    results: dict[str, bytes] = field(default_factory=dict)
    declined: dict[str, str] = field(default_factory=dict)
    emitted: list[Outgoing] = field(default_factory=list)


def _run_handlers(
    store: Store, services: Mapping[str, Served], service: str, fresh: Sequence[Arrived], held: Collection[str]
) -> _Answers:
    answers = _Answers()
    before = store.changed_rows() if held and fresh else {}
    runs = runs_of(fresh)
    for run in runs:
        task = run[0].item.task
        with collecting() as emitted, sharing_savepoints(len(runs)):
            returned = store.call(
                service, task, [arrived.command for arrived in run if not isinstance(arrived.command, NotYet)]
            )
        if held:
            _check_untouched(task, before, store.changed_rows(), held)
        if returned:
            _read(task, returned, {arrived.item.id for arrived in run}, answers)
        origins = {arrived.item.id: arrived.delivery.verified.origin for arrived in run} if emitted else {}
        answers.emitted += [_outgoing(task, command, origins, services) for command in emitted]
    return answers


def _check_untouched(task: str, before: Mapping[str, int], after: Mapping[str, int], held: Collection[str]) -> None:
    """Raise :class:`HandlerFault` when a handler changed a held table that it is not registered with."""
    if touched := [table for table in held if after.get(table, 0) != before.get(table, 0)]:
        wrong = f"it changed {touched[0]}, which is held, and which it is not registered with"
        raise HandlerFault(task, wrong, certain=True)


def _read(task: str, returned: Mapping[str, Any], given: Collection[str], answers: _Answers) -> None:
    """Add what a handler returned for the commands that it was given to the answers.

    An error that is returned may come after statements that must not be committed: a :class:`Decline` is raised here,
    as if the handler had raised it.
    """
    declined: dict[str, str] = {}
    for command_id, answer in returned.items():
        if isinstance(answer, Decline):
            declined |= answer.of([command_id])
        elif isinstance(answer, BaseException):
            raise HandlerFault(task, f"it returned {answer!r} for {command_id}: raise it, or raise Decline(reason)")
        elif isinstance(answer, Untouched):
            if command_id not in given:
                raise HandlerFault(task, f"it declined a command that it was not given: {command_id}")
            answers.declined[command_id] = answer.reason
        elif answer is not None:
            answers.results[command_id] = _result(task, command_id, answer)
    if declined:
        raise Decline(declined)


def _result(task: str, command_id: str, answer: object) -> bytes:
    try:
        result = to_json(answer)
    except (ValueError, TypeError) as error:
        raise HandlerFault(task, f"the result for {command_id} is no JSON: {error}") from error
    if len(result) > MAX_RESULT_BYTES:
        raise HandlerFault(
            task, f"the result for {command_id} is {len(result)} bytes of JSON, at most {MAX_RESULT_BYTES} are kept"
        )
    return result


def _outgoing(
    task: str, emitted: Emitted, origins: Mapping[str, str | None], services: Mapping[str, Served]
) -> Outgoing:
    try:
        item, service = item_of(emitted.command), contract_of(emitted.command).service
    except InvalidCommand as error:
        raise HandlerFault(task, f"it emitted a command that cannot be sent: {error}") from error
    if service not in services:
        wrong = f"it emitted {item.task}, a command of a service that is not installed here"
        raise HandlerFault(task, wrong, certain=True)
    if row_bytes(item) > PACK_BYTES:
        raise HandlerFault(
            task, f"it emitted {item.task} with {len(item.fields)} bytes of JSON, at most {PACK_BYTES} can be sent"
        )
    origin = origins.get(emitted.parent_id) if emitted.parent_id else None
    return Outgoing(0, item, service, emitted.parent_id, origin)


def _first(store: Store, service: str, plan: Classified) -> Mapping[str, Receipt]:
    """Return the first receipts of repeated commands, of those whose senders asked for a receipt."""
    asked = [command.item.id for command, _ in plan.repeated if command.delivery.verified.reply_to is not None]
    return store.look_up(service, asked) if asked else {}
