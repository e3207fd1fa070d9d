"""A batch: the loop that runs its transactions, one after the other, until all of it is applied, parked or deferred.

What is tried, and what follows from a failure, is asked of `decide`. On slot threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from writegate_writer.apply.sending import Sending
from writegate_writer.apply.transaction import apply
from writegate_writer.decide.attempts import Attempts, TypeHold
from writegate_writer.decide.classify import Classified, Work
from writegate_writer.decide.deaths import ALONE_AFTER_DELIVERIES, crash_cause, page_commands
from writegate_writer.decide.deferral import (
    BEGINNING,
    VERSION_WAIT_SECONDS,
    DeferredIndex,
    DeferredRow,
    Patience,
    Postponed,
    VersionWait,
    revive,
)
from writegate_writer.decide.rejections import MOST_REJECTIONS
from writegate_writer.decide.result import BatchResult, update_index
from writegate_writer.decide.store import Owner, Store
from writegate_writer.errors import DatabaseFault, Decline, Fault, HandlerFault, Outdated, Reject
from writegate_writer.receive.delivery import Arrived, Reading, Refused
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Clock, Consuming, Served

log = structlog.get_logger(__name__)

# How often a transaction is tried that fails for what usually passes by itself, and each of those by which the commands
# at fault are found: there are many of them, and the domain waits.
_TRIES, _SEARCHING_TRIES = 6, 2
# Among the suspects: a domain's replay as a whole.
_REPLAY, _REPLAY_ID = "replay of {}", "00000000-0000-0000-0000-000000000000"


class BatchProcessor:
    """Applies batches of one domain during one turn."""

    def __init__(  # noqa: PLR0913, PLR0917  the parts of a turn
        self,
        store: Store,
        owner: Owner,
        domain: Domain,
        services: Mapping[str, Served],
        sending: Sending,
        consuming: Consuming,
        clock: Clock,
        version_wait_seconds: float = VERSION_WAIT_SECONDS,
    ) -> None:
        self._store = store
        self._owner = owner
        self._domain = domain
        self._services = services
        self._sending = sending
        self._consuming = consuming
        self._clock = clock
        self._version_wait_seconds = version_wait_seconds

    def batch(self, service: str, reading: Reading) -> None:
        """Finish what has arrived: apply, park or defer all of it."""
        version_wait = VersionWait(self._version_wait_seconds, self._domain.deferred.newer)
        work = Work(reading.arrived, reading.refused, reading.rejected, blocks=self._blocks, version_wait=version_wait)
        patience = Patience({})
        if reading.suspicious:
            self._one_by_one(service, work, patience)
            return
        sent = self._domain.outbox.confirmed_up_to()
        self._finish(service, replace(work, outbox_sent=sent), patience)
        if sent is not None:
            self._domain.outbox.mark_deleted(sent)

    def _blocks(self, arrived: Arrived) -> bool:
        """Ask the present index: it may have been read anew since the batch was begun."""
        return self._domain.deferred.blocks(arrived)

    def replay(self, is_exclusive: Callable[[], bool]) -> None:
        """Try a page of what is deferred again, oldest first.

        ``is_exclusive``: whether this turn is the only one of the process; if not, the next one will be.
        """
        replay_pass, began = self._domain.deferred.replay_pass, self._clock.monotonic()
        try:
            ended = self._replay_page(self._domain.deferred, is_exclusive)
        except Outdated:
            return  # the index was read anew, and the next pass begins at the beginning
        now = self._clock.monotonic()
        replay_pass.seconds += now - began
        if ended:
            self._domain.deferred.end_replay_pass(now)

    def _replay_page(self, deferred: DeferredIndex, is_exclusive: Callable[[], bool]) -> bool:
        """Return whether it was the last one."""
        replay_pass, suspect = deferred.replay_pass, _REPLAY.format(self._domain.name)
        if replay_pass.after == BEGINNING:
            replay_pass.deaths = self._store.suspect(self._owner, suspect, _REPLAY_ID) - 1
        one_by_one = replay_pass.deaths >= ALONE_AFTER_DELIVERIES
        if one_by_one and not is_exclusive():
            return False
        most = page_commands(replay_pass.deaths)
        rows = self._store.deferred(self._owner, replay_pass.after, most)
        for service in dict.fromkeys(row.service for row in rows):
            self._replay_rows(service, [row for row in rows if row.service == service], one_by_one=one_by_one)
        if len(rows) == most and deferred.total:
            replay_pass.after = rows[-1].seq
            return False
        self._store.clear_suspect(suspect, _REPLAY_ID)
        return True

    def _replay_rows(self, service: str, rows: Sequence[DeferredRow], *, one_by_one: bool) -> None:
        declared, crowded = self._services[service].service, self._domain.deferred.crowded
        revived = [(revive(row, declared, crowded=crowded), row) for row in rows]
        by_id = {part.ledger_id: row for part, row in revived if part.ledger_id is not None}
        patience = Patience(by_id)
        work = Work(
            arrived=[part for part, _ in revived if isinstance(part, Arrived)],
            refused=[part for part, _ in revived if isinstance(part, Refused)],
            blocks=self._domain.deferred.blocks_replay,
            replayed=by_id,
            after_deaths=self._domain.deferred.replay_pass.deaths > 0,
        )
        (self._one_by_one if one_by_one else self._finish)(service, work, patience)
        changed = {
            row.seq: Postponed(row.reason, self._version_wait_seconds, failed=False)
            for part, row in revived
            if isinstance(part, Arrived) and part.newer and not row.limited
        } | patience.changed
        if changed:
            self._store.postpone(changed)

    def _one_by_one(self, service: str, work: Work, patience: Patience) -> None:
        """Apply each of what is suspicious alone, so that the command that ends the process is found."""
        if work.refused:
            self._finish(service, replace(work, arrived=()), patience)
        for command in work.arrived:
            deaths = self._store.suspect(self._owner, service, command.ledger_id) - 1
            cause = crash_cause(deaths)
            rejected = {command.ledger_id: cause} if cause is not None else {}
            try:
                self._finish(service, replace(work, arrived=[command], refused=(), rejected=rejected), patience)
            finally:
                # It failed or succeeded, but it did not end the process.
                self._store.clear_suspect(service, command.ledger_id)

    def _finish(self, service: str, work: Work, patience: Patience) -> None:
        """Apply, park or defer all of ``work``; a command type whose deployment is broken is held meanwhile."""
        attempts = Attempts(work, patience, self._domain.undecided, self._domain.stride)
        while (attempt := attempts.next()) is not None:
            try:
                if attempt.is_trial and attempt.replayed:
                    result = self._try_witness(service, attempt)
                else:
                    result = self._apply(service, attempt, _SEARCHING_TRIES if attempts.searching else _TRIES)
            except (Reject, Decline, DatabaseFault, HandlerFault) as error:
                hold = attempts.failed(error)
            else:
                hold = attempts.committed(result)
                if not attempt.is_trial:
                    self._committed(work, result)
                    self._log_failing(result)
            if hold is not None:
                self._hold_type(hold)
        for task in attempts.working_again(self._domain.held_types):
            self._store.release_task(task)
            self._domain.held_types.discard(task)

    def _try_witness(self, service: str, attempt: Work) -> BatchResult:
        """Try a deferred command ahead of its turn, to learn about another one; not when a writer has ended by it.

        It may wait behind another one of its key. It is not applied alone then, so nothing else would find out that it
        ends the process, and every replay would try it.
        """
        [command] = attempt.arrived
        if self._store.suspect(self._owner, service, command.ledger_id) > 1:
            return BatchResult(Classified())
        try:
            return self._apply(service, attempt, _SEARCHING_TRIES)
        finally:
            self._store.clear_suspect(service, command.ledger_id)

    @staticmethod
    def _log_failing(result: BatchResult) -> None:
        """Log the commands that failed alone, and are tried again: nobody else would say so."""
        for deferral in result.plan.deferred:
            if deferral.fails_alone:
                item = deferral.arrived.item
                log.error("command.failing", task=item.task, id=item.id, key=item.key, error=deferral.reason)

    def _hold_type(self, hold: TypeHold) -> None:
        self._domain.held_types.add(hold.task)
        seconds = self._store.hold_task(hold.task, hold.reason)
        log.error("type.held", task=hold.task, error=hold.reason, again_in_seconds=round(seconds, 1))

    def reload_deferred(self) -> None:
        """Read anew what is deferred: people have changed it."""
        self._domain.deferred = self._store.deferred_index(self._owner)

    def _apply(self, service: str, work: Work, tries: int) -> BatchResult:
        while True:
            try:
                return self._try(service, replace(work, revision=self._domain.deferred.revision), tries)
            except Outdated:
                self.reload_deferred()
                if work.replayed:
                    raise  # they may not be what was deferred first any more

    def _try(self, service: str, work: Work, tries: int) -> BatchResult:
        """Run one transaction, and again while it fails for what usually passes by itself."""
        for attempt in range(1, tries + 1):
            try:
                return apply(self._store, self._owner, self._services, service, work, self._clock.now())
            except DatabaseFault as error:
                if error.fault is Fault.CONFLICT:
                    self._store.conflict(self._owner, error, attempt)
                elif not (error.from_handlers and error.fault.is_outside):
                    raise
                if attempt == tries:
                    raise
                self._clock.pause(self._clock.spread() * 0.02 * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    def _committed(self, work: Work, result: BatchResult) -> None:
        """Do what follows a commit: send, reply, acknowledge."""
        for reason in result.broken_contracts():
            log.error("upgrade.failed", domain=self._domain.name, error=reason)
        update_index(self._domain.deferred, work, result)
        if result.outgoing:
            self._sending.emitted(self._domain, result.outgoing)
        self._sending.receipts(result)
        self._consuming.settle(self._domain, result.settled)
        self._consuming.report(result)
        for task, cause in self._domain.rejections.count(work, result).items():
            todo = "look at them (writegate parked list) and correct the cause: what waits is tried again by itself"
            self._hold_type(TypeHold(task, f"{MOST_REJECTIONS} in a row were rejected: {cause.message}; {todo}"))
