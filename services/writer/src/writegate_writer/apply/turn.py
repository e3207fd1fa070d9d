"""A turn at a domain: start it, replay its deferred commands, apply one batch.

Faults of single commands and of command types are handled before (`batch`, `decide`). Every other fault is handled
here: it suspends the domain for a while and never parks a command. Database, broker and time are parameters, so that a
simulation can run this code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

import structlog

from writegate.config import Settings
from writegate.message.envelope import traceparents_of
from writegate.telemetry import BatchSpan, untraced
from writegate_writer.apply.batch import BatchProcessor
from writegate_writer.apply.sending import Sending
from writegate_writer.counters import LOOK_UPS_DROPPED
from writegate_writer.decide.stopping import stop_cause
from writegate_writer.decide.store import Owner, Store
from writegate_writer.errors import IDLE_IN_TRANSACTION, DatabaseFault, Fault, HandlerFault
from writegate_writer.receive.delivery import Arrived, Question, Refused
from writegate_writer.schedule.batching import read_next_batch, suspicious, take_batch
from writegate_writer.schedule.domain import Domain, Outbox, Phase
from writegate_writer.schedule.ports import Clock, Consuming, Publishing, Served, backoff
from writegate_writer.schedule.questions import A_SECOND, AT_ONCE
from writegate_writer.schedule.scheduler import DomainScheduler

log = structlog.get_logger(__name__)

# The longest wait after failures in a row, and when the database answers and only what handlers do fails.
_LONGEST_BACKOFF_SECONDS, _LONGEST_ANSWERED_SECONDS = 30.0, 5.0
# How long an idle domain keeps rows in the outbox table that the broker has confirmed.
_KEEP_CONFIRMED_SECONDS = 0.5
# With more groups of emitted commands than this unconfirmed the domain waits for the broker, so that memory is bounded.
# It may be its own lane that is full, or that of a domain that waits for it in the same way: then only a batch makes
# room, so it takes one from time to time, until there are so many groups that memory comes first.
_MOST_SENT_GROUPS, _MOST_SENT_GROUPS_EVER = 64, 640
# How long the broker may take to confirm forwarded or emitted commands. A full lane takes none, and while forwarded
# ones are held here there may be no memory left to consume that lane: then they go back to the broker.
_LONGEST_UNCONFIRMED_SECONDS = 10.0
# How long a turn waits that may not take a batch, so that its slot does not spin.
_FULL_PAUSE_SECONDS = 0.02
# Between two turns that answer questions when nothing else is to be done.
_ANSWER_PAUSE_SECONDS = AT_ONCE / A_SECOND
# From the first number on the domain takes no new commands, until fewer than the second are deferred: the broker has
# room for them, and the table should not grow.
_MOST_DEFERRED_COMMANDS, _RESUME_DEFERRED_COMMANDS = 100_000, 90_000


class Turns:
    """Takes turns at domains, for all slots of a process.

    All slot threads share one: it has no state of its own that changes. A domain is in one turn at a time.
    """

    def __init__(  # noqa: PLR0913  the parts of a process, put together in one place
        self,
        *,
        settings: Settings,
        name: str,
        services: Mapping[str, Served],
        scheduler: DomainScheduler,
        consuming: Consuming,
        publishing: Publishing,
        clock: Clock,
        batch_span: BatchSpan = untraced,
        readers: Executor | None = None,
    ) -> None:
        self._settings = settings
        self._name = name
        self._services = services
        self._scheduler = scheduler
        self._consuming = consuming
        self._sending = Sending(services, scheduler, consuming, publishing)
        self._clock = clock
        self._batch_span = batch_span
        self._readers = readers

    def take(self, domain: Domain, store: Store) -> bool:
        """Take one turn. Returns whether the store's connection can still be used."""
        owner = Owner(self._name, domain.name, domain.epoch, self._settings.lease_seconds)
        try:
            if domain.phase is Phase.STARTING:
                self._start(store, owner, domain)
            else:
                self._serve(store, owner, domain)
        except DatabaseFault as error:
            return self._database_fault(store, owner, domain, error)
        except HandlerFault as error:
            self._suspend(domain, "domain.handler_fault", str(error))
            return _noted(store, owner, stop_cause(error))
        except Exception as error:
            # A bug of ours or an error of the publisher: as for a broken deployment, nothing is parked for it.
            log.exception("domain.failed", domain=domain.name)
            self._suspend(domain, "domain.failed", repr(error))
            return _noted(store, owner, stop_cause(error))
        return True

    def _database_fault(self, store: Store, owner: Owner, domain: Domain, error: DatabaseFault) -> bool:
        is_usable = (error.fault is not Fault.OUTAGE or error.from_handlers) and _rolled_back(store)
        if error.fault is Fault.FENCED:
            log.warning("domain.lost", domain=domain.name, epoch=domain.epoch)
            self._scheduler.disown(domain)
            self._consuming.refresh(domain)
        elif error.sqlstate == IDLE_IN_TRANSACTION:
            # The time was lost in this process, in whose transaction there was too much: the next ones are smaller.
            domain.stride.failed(self._settings.batch_commands)
            domain.failures = 0
            text = f"{error}; at most {domain.stride.commands} commands are tried at once now"
            self._suspend(domain, "domain.transaction_too_long", text)
        else:
            longest = _LONGEST_ANSWERED_SECONDS if error.from_handlers else _LONGEST_BACKOFF_SECONDS
            text = f"{error.sqlstate or 'connection lost'}: {error}"
            self._suspend(domain, f"domain.{error.fault.value}", text, longest=longest)
            is_usable = is_usable and _noted(store, owner, stop_cause(error))
        return is_usable

    def _suspend(self, domain: Domain, event: str, text: str, *, longest: float = _LONGEST_BACKOFF_SECONDS) -> None:
        domain.failures += 1
        seconds = backoff(self._clock, domain.failures, longest=longest)
        log.error(event, domain=domain.name, error=text, again_in_seconds=round(seconds, 1))
        domain.outbox = Outbox()  # what it held is in the table; starting reads it from there
        domain.forwards.clear()
        self._scheduler.suspend(domain, seconds)
        self._consuming.refresh(domain)

    def _start(self, store: Store, owner: Owner, domain: Domain) -> None:
        started = store.start(owner)
        domain.deferred = started.deferred_index
        if started.leftovers:
            self._sending.emitted(domain, started.leftovers)
        if self._scheduler.serve(domain):
            log.info(
                "domain.serving",
                domain=domain.name,
                epoch=domain.epoch,
                leftovers=len(started.leftovers),
                deferred=started.deferred_index.total,
            )
            self._consuming.refresh(domain)
            self._schedule_next_turn(domain)

    def _serve(self, store: Store, owner: Owner, domain: Domain) -> None:
        domain.outbox.confirmed_up_to()  # what the broker has confirmed by now no longer counts
        if self._waits_for_outbox(domain):
            self._clock.pause(_FULL_PAUSE_SECONDS)
            self._scheduler.again(domain, _KEEP_CONFIRMED_SECONDS)
            return
        if self._waits_for_forwards(domain) >= _LONGEST_UNCONFIRMED_SECONDS:
            text = "the broker does not confirm commands for another lane: is that lane full?"
            self._suspend(domain, "domain.forwards_unconfirmed", text)
            return
        processor = BatchProcessor(
            store,
            owner,
            domain,
            self._services,
            self._sending,
            self._consuming,
            self._clock,
            self._settings.version_wait_hours * 3600,
        )
        revision = self._scheduler.take_revision(domain)
        if revision is not None:
            # They may be that new already: an earlier turn may have read them after the control thread read this.
            if revision > domain.deferred.revision:
                processor.reload_deferred()
            domain.deferred.restart_replay_pass()
        if domain.deferred.total and self._clock.monotonic() >= domain.deferred.replay_pass.due:
            processor.replay(lambda: self._scheduler.request_exclusive_turn(domain))
        domain.deferred_full = domain.deferred.total >= (
            _RESUME_DEFERRED_COMMANDS if domain.deferred_full else _MOST_DEFERRED_COMMANDS
        )
        if domain.deferred_full:
            # The control thread stops its lanes; what was delivered goes back then, and takes no memory here.
            self._clock.pause(_FULL_PAUSE_SECONDS)
        elif not suspicious(domain.first()) or self._scheduler.request_exclusive_turn(domain):
            self._batch(store, owner, domain, processor)
        self._answer(store, domain)
        self._delete_sent(store, owner, domain)
        self._schedule_next_turn(domain)

    def _batch(self, store: Store, owner: Owner, domain: Domain, processor: BatchProcessor) -> None:
        next_reading, domain.next_reading = domain.next_reading, None
        if next_reading is not None:
            next_reading.result()
        service, reading = take_batch(domain, self._services, self._settings, self._clock)
        if service is None:
            return
        if not reading.suspicious:  # else nothing else that may end the process is done at the same time
            self._start_reading_next(domain)
        if reading.misrouted:
            # No transaction of theirs would find at its fence that another writer, with other lanes, owns the domain.
            store.check_owned(owner)
        now = self._clock.monotonic()
        domain.forwards += [(now, sent) for sent in self._sending.misrouted(domain, reading.misrouted)]
        parts: list[Arrived | Refused] = [*reading.arrived, *reading.refused]
        if parts:
            deliveries = dict.fromkeys(delivery.delivery for delivery in parts)
            published = (context for delivery in deliveries for context in traceparents_of(delivery.headers))
            with self._batch_span(service, domain.name, len(parts), published):
                processor.batch(service, reading)
            # Not when the domain starts: a broken handler would then fail twice a second, without a longer back-off,
            # and the broker would count a delivery each time.
            if domain.failures:
                store.note_stopped(owner, None)
                domain.failures = 0
        if reading.questions:
            self._take_in(domain, service, reading.questions)

    def _waits_for_outbox(self, domain: Domain) -> bool:
        """Return whether it takes no batch now, because too much of what it emitted is not confirmed."""
        groups, now = len(domain.outbox), self._clock.monotonic()
        if groups <= _MOST_SENT_GROUPS:
            domain.outbox_full_since = None
            return False
        if domain.outbox_full_since is None:
            domain.outbox_full_since = now
        if now - domain.outbox_full_since < _LONGEST_UNCONFIRMED_SECONDS or groups > _MOST_SENT_GROUPS_EVER:
            return True
        log.warning("domain.outbox_unconfirmed", domain=domain.name, groups=groups)
        domain.outbox_full_since = now
        return False

    def _waits_for_forwards(self, domain: Domain) -> float:
        """Return for how many seconds the oldest forwarded command has not been confirmed."""
        while domain.forwards and domain.forwards[0][1].done():
            domain.forwards.popleft()
        return self._clock.monotonic() - domain.forwards[0][0] if domain.forwards else 0.0

    def _take_in(self, domain: Domain, service: str, questions: Sequence[Question]) -> None:
        """Let questions wait for their answers. Their messages are done with: who gets no answer asks again."""
        dropped = domain.questions.add(service, questions)
        if dropped:
            LOOK_UPS_DROPPED.labels(service).inc(dropped)
        self._consuming.settle(domain, Counter(question.delivery for question in questions))

    def _answer(self, store: Store, domain: Domain) -> None:
        """Answer some of the questions that wait: after the batch, since what was sent before them is decided then."""
        for service, asked in domain.questions.take(self._clock.monotonic()).items():
            self._sending.answers(store, service, asked)

    def _start_reading_next(self, domain: Domain) -> None:
        """Let a reader thread read the next batch while the database works on this one.

        Not when other domains wait for a slot: then reading overlaps with their turns already, and what was read takes
        memory.
        """
        if self._readers is not None and domain.messages_in_memory and not self._scheduler.crowded:
            domain.next_reading = self._readers.submit(
                read_next_batch, domain, self._services, self._settings, self._clock
            )

    def _delete_sent(self, store: Store, owner: Owner, domain: Domain) -> None:
        """Delete what the broker has confirmed from the outbox, when no batch comes next that would do it."""
        sent = domain.outbox.confirmed_up_to()
        if sent is not None and not domain.messages_in_memory:
            store.delete_sent(owner, sent)
            domain.outbox.mark_deleted(sent)

    def _schedule_next_turn(self, domain: Domain) -> None:
        """Schedule another turn when there is work for one, even if nothing arrives."""
        if domain.changed:  # :meth:`DomainScheduler.notify` came during this turn
            self._scheduler.again(domain, 0.0)
        if domain.outbox:
            self._scheduler.again(domain, _KEEP_CONFIRMED_SECONDS)
        if domain.forwards:
            self._scheduler.again(domain, max(0.0, _LONGEST_UNCONFIRMED_SECONDS - self._waits_for_forwards(domain)))
        if domain.questions:
            self._scheduler.again(domain, _ANSWER_PAUSE_SECONDS)
        if domain.deferred.total:
            self._scheduler.again(domain, max(0.0, domain.deferred.replay_pass.due - self._clock.monotonic()))


def _noted(store: Store, owner: Owner, cause: str) -> bool:
    """Write down why a domain is stopped; return whether the connection can still be used."""
    try:
        store.roll_back()
        store.note_stopped(owner, cause)
    except DatabaseFault:
        return False
    return True


def _rolled_back(store: Store) -> bool:
    """Roll back a failed transaction; return whether the connection still answers."""
    try:
        store.roll_back()
    except DatabaseFault:
        return False
    return True
