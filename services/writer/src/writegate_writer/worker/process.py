"""The parts of a writer process, put together; and the order in which they start and stop."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Mapping
from typing import Any

import structlog

from writegate.config import Settings
from writegate.publishing import Publisher
from writegate.session_name import session_name
from writegate.telemetry import batch_span_of
from writegate_writer.apply.turn import Turns
from writegate_writer.broker.lanes import Lanes
from writegate_writer.counters import measured
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.maintenance import Maintenance
from writegate_writer.database.parked_limit import ParkedLimit
from writegate_writer.database.recent_commands import Recent
from writegate_writer.database.samples import Samples
from writegate_writer.database.session import APPLICATION, CONTROL_APPLICATION, engine_of
from writegate_writer.handlers.domains import tables_by_task
from writegate_writer.handlers.writes import Writes
from writegate_writer.schedule.backlog import Backlog, backlogs
from writegate_writer.schedule.clock import SystemClock
from writegate_writer.schedule.ports import Served
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.worker.control import STATEMENT_LEASES, Control
from writegate_writer.worker.health import health_server_of
from writegate_writer.worker.housekeeping import Housekeeping
from writegate_writer.worker.metrics import State, register
from writegate_writer.worker.parts import PublisherPart, ReaderPool, Stopping, stop_in_order
from writegate_writer.worker.policies import PolicyWatch
from writegate_writer.worker.slot import Slot, Slots
from writegate_writer.worker.watchdog import Watchdog

log = structlog.get_logger(__name__)

# How often the hub thread looks whether the parts have stopped.
_HUB_STEP_SECONDS = 0.05
# A slot that has the database's answer waits at most so long for a thread that reads ahead; Python's own 5 ms, a few
# times a batch, would take longer than the batch.
_SWITCH_SECONDS = 0.0005


class Process:
    """One writer: a hub thread that is Celery's, a control thread, slots, and a publisher.

    Started and stopped on the hub thread; :meth:`info` and :meth:`backlogs` are called on any.
    """

    def __init__(self, settings: Settings, services: Mapping[str, Writes]) -> None:
        self.settings = settings
        self.services = services
        self.scheduler = DomainScheduler()
        self.lanes = Lanes(self.scheduler, settings.memory_bytes)
        self.name = ""
        self._batch_span = batch_span_of(settings)
        self._clock = SystemClock()
        self._samples = Samples(self.backlogs, self.lanes.contents.take)
        self._started = False
        self._stopping: list[Stopping] = []

    def start(self) -> None:
        """Start what is not running. Harmless when repeated: it is called on every connection to the broker."""
        if self._started:
            return
        self._started = True
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._make()
        self._watchdog.start()
        self._control.start()
        self._slots.start()
        self._policies.start()
        # What is there now stays. The collector, which runs every few hundred commands, need not look at it any more.
        gc.collect()
        gc.freeze()
        if self.settings.health_port:
            register(State(self.info, self.backlogs, self._samples, self.settings.memory_bytes))
            health = health_server_of((self.settings.health_host, self.settings.health_port), self.info)
            health.start()
            self._stopping.append(Stopping("health", health, 2.0))

    def _make(self) -> None:
        settings, clock = self.settings, self._clock
        self._publisher = Publisher(settings, app_id="writegate", spool=False)
        # The rest of the budget: one connection is the control thread's.
        applications = [
            session_name(f"{APPLICATION}.{number}", self.name)
            for number in range(min(settings.slots, settings.connections - 1))
        ]
        self._conflicts = LockConflicts(applications)
        recent = Recent()
        self.lanes.sample = recent.collect
        readers = ReaderPool(settings.slots)
        turns = Turns(
            settings=settings,
            name=self.name,
            services={name: Served(writes.service, tables_by_task(writes)) for name, writes in self.services.items()},
            scheduler=self.scheduler,
            consuming=self.lanes,
            publishing=self._publisher,
            clock=clock,
            batch_span=measured(self._batch_span),
            readers=readers.executor,
        )
        parked_limit = ParkedLimit(settings)
        housekeeping = Housekeeping([Maintenance(settings.parked_days), self._samples, recent, parked_limit])
        slots = [
            Slot(
                number,
                self.scheduler,
                turns,
                engine_of(settings, application),
                self.services,
                clock,
                lambda: self._control.connected,
                self._conflicts,
                housekeeping,
            )
            for number, application in enumerate(applications)
        ]
        self._slots = Slots(self.scheduler, slots)
        self._control = Control(
            settings,
            self.name,
            self.services,
            self.scheduler,
            self.lanes,
            engine_of(
                settings,
                session_name(CONTROL_APPLICATION, self.name),
                statement_seconds=settings.lease_seconds * STATEMENT_LEASES,
            ),
            lambda: self._slots.connected,
            self._conflicts,
            clock,
            parked_limit.full,
        )
        self._policies = PolicyWatch(settings)
        self._watchdog = Watchdog(slots, self._control, settings, clock)
        self._stopping = self._stop_order(readers)

    def _stop_order(self, readers: ReaderPool) -> list[Stopping]:
        """Return the one order of stopping that loses and repeats nothing."""
        return [
            # First the batches in flight are finished: their acknowledgements are sent while the channels are open.
            Stopping("slots", self._slots, 20.0),
            # It has watched the last handlers; from here on nothing runs that it could end.
            Stopping("watchdog", self._watchdog, 2.0),
            # The receipts of these batches.
            Stopping("publisher", PublisherPart(self._publisher), 2.0),
            # Channels close when nothing is in flight on them: what is unacknowledged returns in order.
            Stopping("lanes", self.lanes, 2.0),
            # Leases are given back after that: no other writer starts on a domain with a batch or a channel of ours.
            Stopping("control", self._control, 5.0),
            Stopping("readers", readers, 1.0),
            Stopping("policies", self._policies, 1.0),
            # Last, so that monitors see a process that is stopping (not ready), and not one that does not answer.
        ]

    def stop(self) -> None:
        """Stop all parts, in order, while the hub goes on: it sends heartbeats and acknowledgements meanwhile.

        Without heartbeats the broker would close the connection while a batch is finished, and deliver it again.
        """
        if not self._started:
            return
        self._started = False
        stopping = threading.Thread(target=stop_in_order, args=(self._stopping,), name="writegate-stop", daemon=True)
        stopping.start()
        while stopping.is_alive():
            self.lanes.run_hub(_HUB_STEP_SECONDS)
        self.lanes.run_posts()

    def info(self) -> dict[str, Any]:
        """The state of this process, for monitors."""
        domains = self.scheduler.domains() if self._started else []
        connections = self._slots.connected + self._control.connected if self._started else 0
        return {
            "writer": self.name,
            "standing_by": self._started and self._control.standing_by,
            "broker": self._started and self.lanes.connected and self._publisher.connected,
            "connections": connections,
            "held_bytes": self.lanes.held_bytes,
            "crowded": self.scheduler.crowded,
            "conflicts": self._conflicts.conflicts if self._started else 0,
            "domains": {
                domain.name: {"phase": domain.phase.value, "epoch": domain.epoch, "waiting": domain.messages_in_memory}
                for domain in domains
            },
        }

    def backlogs(self) -> dict[str, Backlog]:
        """The messages that wait in this process, by service."""
        return backlogs(self.scheduler.domains(), int(self._clock.now().timestamp() * 1000))
