"""A batch: how it is decided when something is at fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from writegate.message.receipt import Cause
from writegate_writer.apply.sending import Sending
from writegate_writer.apply.transaction import apply
from writegate_writer.decide.attempts import MOST_REJECTIONS, decide
from writegate_writer.decide.classify import PATIENCE_SECONDS, Work
from writegate_writer.decide.deferral import BEGINNING, DeferredIndex, DeferredRow, revive
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.store import Holder, Store
from writegate_writer.errors import DatabaseFault, Fault, HandlerFault, Outdated
from writegate_writer.receive.delivery import Arrived, NotYet, Reading, Refused
from writegate_writer.schedule.batching import CORNER_DELIVERIES
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Clock, Consuming, Served

log = structlog.get_logger(__name__)

_CONFLICT_TRIES = 6
_REPLAY_COMMANDS = 500
# After so many deaths of a writer that was applying it alone a suspect is parked. Pages of what is replayed shrink as
# batches do, but their deaths are counted in the table of suspects: the broker knows nothing of them.
_MOST_DEATHS = 3
# Among the suspects: a domain's replay as a whole.
_SWEEP, _SWEEP_ID = "replay of {}", "00000000-0000-0000-0000-000000000000"
# A statement that took too long, or that an operator ended.
_CANCELLED = "57014"

Patience = Callable[[Arrived], bool]


def _identity(part: Arrived | Refused) -> int:
    """Return what a part of a batch is known by, whatever has become of it."""
    return id(part.arrived or part) if isinstance(part, Refused) else id(part)


def _without(work: Work, all_done: Sequence[BatchResult]) -> Work:
    """Return what of ``work`` is left when these transactions have been committed."""
    decided = {_identity(part) for one in all_done for part in one.parts}
    decided.update(id(part) for one in all_done for part in one.plan.waits_on)
    return replace(
        work,
        arrived=[one for one in work.arrived if id(one) not in decided],
        refused=[one for one in work.refused if id(one) not in decided],
        outbox_sent=None if decided else work.outbox_sent,
    )


class _MissingParents:
    """What is asked about replayed commands whose parent row is missing.

    ``unlimited``: rows that waited for something else until now, such as for an earlier command of their key.
    """

    def __init__(self, rows: Mapping[str, DeferredRow]) -> None:
        self._rows = rows
        self.unlimited: list[int] = []

    def may_come(self, one: Arrived) -> bool:
        """Whether the parent is still waited for."""
        row = self._rows[one.ledger_id]
        if not row.limited:
            self.unlimited.append(row.seq)
        return not row.overdue


class BatchProcessor:
    """Decides batches of one domain during one turn."""

    def __init__(  # noqa: PLR0913, PLR0917  the parts of a turn
        self,
        store: Store,
        holder: Holder,
        domain: Domain,
        services: Mapping[str, Served],
        sending: Sending,
        consuming: Consuming,
        clock: Clock,
    ) -> None:
        self._store = store
        self._holder = holder
        self._domain = domain
        self._services = services
        self._sending = sending
        self._consuming = consuming
        self._clock = clock

    def batch(self, service: str, reading: Reading) -> None:
        """Decide what has arrived."""
        work = Work(reading.arrived, reading.refused, reading.rejected, blocks=self._blocks)
        if reading.suspicious:
            self._one_by_one(service, work, lambda _: True)
            return
        sent = self._domain.outbox.confirmed_up_to()
        self._decide(service, replace(work, outbox_sent=sent), lambda _: True)
        if sent is not None:
            self._domain.outbox.mark_deleted(sent)

    def _blocks(self, one: Arrived) -> bool:
        """Ask what waits as of now: stock may have been taken anew since the batch was begun."""
        return self._domain.deferred.blocks(one)

    def replay(self, alone: Callable[[], bool]) -> None:
        """Try a page of what waits again, oldest first.

        ``alone``: whether this turn is the only one of the process; if not, the next one will be.
        """
        sweep, began = self._domain.deferred.replay_pass, self._clock.monotonic()
        try:
            ended = self._replay_page(self._domain.deferred, alone)
        except Outdated:
            return  # stock was taken anew, and what waits is swept from its beginning
        now = self._clock.monotonic()
        sweep.seconds += now - began
        if ended:
            self._domain.deferred.end_replay_pass(now)

    def _replay_page(self, waiting: DeferredIndex, alone: Callable[[], bool]) -> bool:
        """Return whether it was the last one."""
        sweep = waiting.replay_pass
        if sweep.after == BEGINNING:
            sweep.deaths = self._store.suspect(self._holder, _SWEEP.format(self._domain.name), _SWEEP_ID) - 1
        cornered = sweep.deaths >= CORNER_DELIVERIES
        if cornered and not alone():
            return False
        most = max(1, _REPLAY_COMMANDS >> sweep.deaths)
        rows = self._store.deferred(self._holder, sweep.after, most)
        for service in dict.fromkeys(row.service for row in rows):
            own = [row for row in rows if row.service == service]
            self._try_again(service, own, alone=cornered)
        if len(rows) == most and waiting.total:
            sweep.after = rows[-1].seq
            return False
        self._store.clear_suspect(_SWEEP.format(self._domain.name), _SWEEP_ID)
        return True

    def _try_again(self, service: str, rows: Sequence[DeferredRow], *, alone: bool) -> None:
        revived = [(revive(row, self._services[service].service), row) for row in rows]
        by_id = {one.ledger_id: row for one, row in revived if one.ledger_id is not None}
        missing = _MissingParents(by_id)
        work = Work(
            arrived=[one for one, _ in revived if isinstance(one, Arrived)],
            refused=[one for one, _ in revived if isinstance(one, Refused)],
            blocks=self._domain.deferred.blocks_replay,
            replayed=by_id,
        )
        (self._one_by_one if alone else self._decide)(service, work, missing.may_come)
        if missing.unlimited:
            self._store.limit_waiting(missing.unlimited, PATIENCE_SECONDS)

    def _one_by_one(self, service: str, work: Work, patience: Patience) -> None:
        """Apply each of what is suspicious alone, so that what ends the process is found."""
        if work.refused:
            self._decide(service, replace(work, arrived=()), patience)
        for one in work.arrived:
            times = self._store.suspect(self._holder, service, one.ledger_id)
            rejected = {}
            if times > _MOST_DEATHS:
                text = f"the writer died {times - 1} times while it applied this command alone"
                rejected[one.ledger_id] = Cause("crash", text)
            try:
                self._decide(service, replace(work, arrived=[one], refused=(), rejected=rejected), patience)
            finally:
                # It failed or succeeded, but it did not end the process.
                self._store.clear_suspect(service, one.ledger_id)

    def _decide(self, service: str, work: Work, patience: Patience) -> None:
        """Decide ``work``; a command type whose deployment is broken is held, and the rest decided without it."""
        all_done: list[BatchResult] = []

        def done(one: BatchResult) -> None:
            all_done.append(one)
            self._done(work, one)

        held: set[str] = set()
        left = work
        while True:
            try:
                decide(lambda some: self._apply(service, some), left, done, patience, self._domain.stride)
            except (DatabaseFault, HandlerFault) as error:
                if error.fault is not Fault.DEPLOYMENT or error.task is None or error.task in held:
                    raise
                held.add(error.task)
                self._domain.tripped.add(error.task)
                sqlstate = error.sqlstate if isinstance(error, DatabaseFault) else None
                text = f"{sqlstate}: {error}" if sqlstate else str(error)
                seconds = self._store.hold_task(error.task, text)
                log.error(  # noqa: TRY400  its cause is in the text; the traceback is the handler's business
                    "type.held", task=error.task, error=text, again_in_seconds=round(seconds, 1)
                )
                left = _without(work, all_done)
            else:
                # A type that works again: should it fail once more, that is a new failure, held for the shortest time.
                for task in self._domain.tripped - held:
                    if any(part.item.task == task for one in all_done for part in one.plan.fresh):
                        self._store.release_task(task)
                        self._domain.tripped.discard(task)
                return

    def reload_deferred(self) -> None:
        """Read anew what waits: people have changed it."""
        self._domain.deferred = self._store.waiting(self._holder)

    def _apply(self, service: str, work: Work) -> BatchResult:
        while True:
            try:
                return self._try(service, replace(work, revision=self._domain.deferred.revision))
            except Outdated:
                self.reload_deferred()
                if work.replayed:
                    raise  # they may not be what waits first any more

    def _try(self, service: str, work: Work) -> BatchResult:
        for attempt in range(1, _CONFLICT_TRIES + 1):
            try:
                return apply(self._store, self._holder, self._services, service, work, self._clock.now())
            except DatabaseFault as error:
                if error.sqlstate == _CANCELLED and error.task and (len(work.arrived) == 1 or work.replayed):
                    # There is nothing smaller to try: only its type is to wait, not the whole domain.
                    raise error.with_(fault=Fault.DEPLOYMENT) from error
                if error.fault is not Fault.CONFLICT:
                    raise
                self._store.conflict(self._holder, error, attempt)
                if attempt == _CONFLICT_TRIES:
                    raise
                self._clock.pause(self._clock.spread() * 0.02 * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    def _done(self, work: Work, done: BatchResult) -> None:
        waiting = self._domain.deferred
        for deferral in done.plan.deferred:
            waiting.add(deferral.arrived)
        unread = {
            deferral.arrived.command for deferral in done.plan.deferred if isinstance(deferral.arrived.command, NotYet)
        }
        for reason in sorted(one.reason for one in unread if one.broken):
            log.error("upgrade.failed", domain=self._domain.name, error=reason)
        for part in done.parts if work.replayed else ():
            if part.ledger_id in work.replayed:
                waiting.remove(part)
        for refused in done.plan.parked:
            waiting.park(refused)
        waiting.replay_pass.block(done.plan.waits_on)
        if done.outgoing:
            self._sending.emitted(self._domain, done.outgoing)
        self._sending.receipts(done)
        self._consuming.settle(self._domain, done.settled)
        self._consuming.report(done)
        self._count_rejections(work, done)

    def _count_rejections(self, work: Work, done: BatchResult) -> None:
        """Hold a command type of which one after the other, as they arrived, is rejected for one cause."""
        streak, plan = self._domain.streak, done.plan
        # What was refused before any handler saw it is not counted, nor what people only wanted to have tried again.
        known = {*work.rejected, *(id_ for id_, row in work.replayed.items() if row.parked is not None)}
        causes = {
            id(one.arrived): one.cause for one in plan.parked if one.arrived is not None and one.ledger_id not in known
        }
        if not causes and not streak.task:
            return
        applied = {id(one) for one in plan.fresh if causes or one.item.task == streak.task}
        reached: dict[str, Cause] = {}
        for one in work.arrived if causes or applied else ():
            task, cause = one.item.task, causes.get(id(one))
            if cause is not None:
                if streak.add(task, cause.cause) == MOST_REJECTIONS:
                    streak.end()
                    reached[task] = cause
            elif task == streak.task and id(one) in applied:
                streak.end()
        for task, cause in reached.items():
            text = f"{MOST_REJECTIONS} in a row were rejected: {cause.message}"
            seconds = self._store.hold_task(task, text)
            self._domain.tripped.add(task)
            log.error("type.held", task=task, error=text, again_in_seconds=round(seconds, 1))
