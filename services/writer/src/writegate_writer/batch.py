"""A batch: what is taken from the inbox, and how it is decided when something is at fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import structlog

from writegate.config import Settings
from writegate.receipt import Cause
from writegate_writer.arrival import Arrived, NotYet, Reading, Refused, read
from writegate_writer.decide import MOST_REJECTIONS, decide
from writegate_writer.domain import Domain
from writegate_writer.faults import DatabaseFault, Fault, HandlerFault
from writegate_writer.ports import Clock, Consuming, Served
from writegate_writer.replay import revive
from writegate_writer.sending import Sending
from writegate_writer.sorting import Done, Work
from writegate_writer.store import Holder, Store
from writegate_writer.transaction import apply

log = structlog.get_logger(__name__)

_CONFLICT_TRIES = 6
_REPLAY_SECONDS = 1.0
_REPLAY_COMMANDS = 500
# A batch shrinks by half with each time it was delivered before; after so many times its commands are applied one by
# one, noted down as suspects of ending the process first, and parked after three such deaths.
_CORNER_DELIVERIES = 10
_MOST_DEATHS = 3

Patience = Callable[[Arrived], bool]


def cut(domain: Domain, services: Mapping[str, Served], settings: Settings, clock: Clock) -> tuple[str | None, Reading]:
    """Take from the inbox what one batch may hold: whole messages of one service, in arrival order."""
    reading = Reading()
    queue = domain.next_queue()
    if not queue:
        return None, reading
    service = queue[0].service
    declared = services[service].service
    now_millis = int(clock.now().timestamp() * 1000)
    commands = size = 0
    limit = max(1, settings.batch_commands >> queue[0].delivery_count)
    # Only this thread takes from it (the domain is busy), the hub thread only appends: no lock is needed for that.
    while queue and (commands == 0 or (commands < limit and size < settings.batch_bytes)):
        try:
            delivery = queue.popleft()
        except IndexError:
            break  # its channel was lost just now
        parts = read(delivery, declared, now_millis)
        delivery.open = len(parts)
        for part in parts:
            reading.add(part)
        commands += len(parts)
        size += len(delivery.body)
    return service, reading


def _identity(part: Arrived | Refused) -> int:
    """Return what a part of a batch is known by, whatever has become of it."""
    return id(part.arrived or part) if isinstance(part, Refused) else id(part)


def _in_time(overdue: set[str | None], one: Arrived) -> bool:
    return one.ledger_id not in overdue


class Deciding:
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
        if any(one.delivery.delivery_count >= _CORNER_DELIVERIES for one in reading.arrived):
            self._one_by_one(service, reading)
            return
        sent = self._domain.outbox.forgettable()
        blocks = self._domain.aside.blocks
        self._decide(service, Work(reading.arrived, reading.refused, blocks=blocks, outbox_sent=sent), lambda _: True)
        if sent is not None:
            self._domain.outbox.forgotten(sent)

    def replay(self) -> None:
        """Try a page of what waits again, oldest first."""
        waiting = self._domain.aside
        if waiting.sweep.after == 0 and waiting.parked:
            waiting.parked = self._store.parked_keys(self._holder)
        rows = self._store.deferred(self._holder, waiting.sweep.after, _REPLAY_COMMANDS)
        for service in dict.fromkeys(row.service for row in rows):
            own = [row for row in rows if row.service == service]
            revived = [(revive(row, self._services[service].service), row) for row in own]
            overdue = {one.ledger_id for one, row in revived if row.overdue}
            work = Work(
                arrived=[one for one, _ in revived if isinstance(one, Arrived)],
                refused=[one for one, _ in revived if isinstance(one, Refused)],
                blocks=waiting.blocks_replay,
                replayed={one.ledger_id: row.seq for one, row in revived if one.ledger_id is not None},
            )
            self._decide(service, work, partial(_in_time, overdue))
        if len(rows) == _REPLAY_COMMANDS:
            waiting.sweep.after = rows[-1].seq
        else:
            waiting.end_sweep(self._clock.monotonic() + _REPLAY_SECONDS)

    def _one_by_one(self, service: str, reading: Reading) -> None:
        """Apply what has been delivered suspiciously often alone, so that what ends the process is found."""
        for refused in reading.refused:
            self._decide(service, Work(refused=[refused]), lambda _: True)
        for one in reading.arrived:
            times = self._store.suspect(self._holder, service, one.ledger_id)
            rejected = {}
            if times > _MOST_DEATHS:
                text = f"the writer died {times - 1} times while it applied this command alone"
                rejected[one.ledger_id] = Cause("crash", text)
            try:
                work = Work([one], rejected=rejected, blocks=self._domain.aside.blocks)
                self._decide(service, work, lambda _: True)
            finally:
                # It failed or succeeded, but it did not end the process.
                self._store.clear_suspect(service, one.ledger_id)

    def _decide(self, service: str, work: Work, patience: Patience) -> None:
        """Decide ``work``; a command type whose deployment is broken is held, and the rest decided without it."""
        decided: set[int] = set()
        worked: set[str] = set()

        def done(one: Done) -> None:
            decided.update(_identity(part) for part, _ in one.receipts)
            decided.update(id(part) for part in one.plan.waits_on)
            worked.update(part.item.task for part in one.plan.fresh)
            self._done(work, one)

        held: set[str] = set()
        while True:
            left = replace(
                work,
                arrived=[one for one in work.arrived if id(one) not in decided],
                refused=[one for one in work.refused if id(one) not in decided],
                outbox_sent=None if decided else work.outbox_sent,
            )
            try:
                decide(lambda some: self._apply(service, some), left, done, patience)
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
            else:
                # A type that works again: should it fail once more, that is a new failure, held for the shortest time.
                for task in (worked & self._domain.tripped) - held:
                    self._store.release_task(task)
                    self._domain.tripped.discard(task)
                return

    def _apply(self, service: str, work: Work) -> Done:
        for attempt in range(1, _CONFLICT_TRIES + 1):
            try:
                return apply(self._store, self._holder, self._services, service, work, self._clock.now())
            except DatabaseFault as error:
                if error.fault is not Fault.CONFLICT or attempt == _CONFLICT_TRIES:
                    raise
                log.warning(
                    "batch.conflict",
                    domain=self._domain.name,
                    sqlstate=error.sqlstate,
                    error=str(error),
                    attempt=attempt,
                )
                self._clock.pause(self._clock.spread() * 0.02 * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    def _done(self, work: Work, done: Done) -> None:
        waiting = self._domain.aside
        for aside in done.plan.aside:
            waiting.add(aside.one)
        unread = {aside.one.command for aside in done.plan.aside if isinstance(aside.one.command, NotYet)}
        for reason in sorted(one.reason for one in unread if one.broken):
            log.error("upgrade.failed", domain=self._domain.name, error=reason)
        repeated = [one for one, _ in done.plan.repeated]
        decided: list[Arrived | Refused] = [*done.plan.fresh, *done.plan.parked, *repeated]
        for one in decided:
            if one.ledger_id in work.replayed:
                waiting.remove(one)
        for refused in done.plan.parked:
            waiting.park(refused)
        waiting.sweep.stick(done.plan.waits_on)
        if done.outgoing:
            self._sending.emitted(self._domain, done.outgoing)
        self._sending.receipts(done.receipts)
        self._consuming.settle(self._domain, [part.delivery for part, _ in done.receipts])
        self._consuming.report(done.receipts)
        self._count_rejections(done)

    def _count_rejections(self, done: Done) -> None:
        """Hold a command type of which one after the other is rejected for one cause."""
        streak = self._domain.streak
        if any(one.item.task == streak.task for one in done.plan.fresh):
            streak.end()
        for refused in done.plan.parked:
            if refused.arrived is None:
                continue  # refused before any handler saw it
            task, cause = refused.arrived.item.task, refused.cause.cause
            if streak.add(task, cause) == MOST_REJECTIONS:
                streak.end()
                text = f"{MOST_REJECTIONS} in a row were rejected: {refused.cause.message}"
                seconds = self._store.hold_task(task, text)
                self._domain.tripped.add(task)
                log.error("type.held", task=task, error=text, again_in_seconds=round(seconds, 1))
