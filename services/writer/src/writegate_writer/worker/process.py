"""The parts of a writer process, put together; and the order in which they start and stop."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from writegate.config import Settings
from writegate.publishing import Publisher
from writegate.telemetry import batch_span_of
from writegate_writer.apply.turn import Turns
from writegate_writer.broker.lanes import Lanes
from writegate_writer.counters import measured
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.recent_commands import Recent
from writegate_writer.database.samples import History
from writegate_writer.database.session import APPLICATION, CONTROL_APPLICATION, engine_of
from writegate_writer.handlers.domains import tables_by_task
from writegate_writer.handlers.writes import Writes
from writegate_writer.schedule.backlog import Backlog, backlogs
from writegate_writer.schedule.clock import SystemClock
from writegate_writer.schedule.ports import Served
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.worker.control import Control
from writegate_writer.worker.health import Health
from writegate_writer.worker.metrics import State, register
from writegate_writer.worker.slot import Slot
from writegate_writer.worker.watchdog import Watchdog

log = structlog.get_logger(__name__)

_STOP_SECONDS = 20.0
# A slot that has the database's answer waits at most so long for a thread that reads ahead; Python's own 5 ms, a few
# times a batch, would take longer than the batch.
_SWITCH_SECONDS = 0.0005


class Process:
    """One writer: a hub thread that is Celery's, a control thread, slots, and a publisher."""

    def __init__(self, settings: Settings, services: Mapping[str, Writes]) -> None:
        self.settings = settings
        self.services = services
        self.scheduler = DomainScheduler()
        self.lanes = Lanes(self.scheduler, settings.memory_bytes)
        self.name = ""
        self._batch_span = batch_span_of(settings)
        self._clock = SystemClock()
        self._history = History(self.backlogs)
        self._started = False
        self._slots: list[Slot] = []

    def start(self) -> None:
        """Start what is not running. Harmless when repeated: it is called on every connection to the broker."""
        if self._started:
            return
        self._started = True
        sys.setswitchinterval(_SWITCH_SECONDS)
        settings, clock = self.settings, self._clock
        self._publisher = Publisher(settings, app_id="writegate", spool=False)
        application = f"{APPLICATION} {self.name}"
        self._waits = LockConflicts(application)
        recent = Recent()
        self.lanes.shown_to = recent.look
        self._control = Control(
            settings,
            self.name,
            self.services,
            self.scheduler,
            self.lanes,
            engine_of(settings, f"{CONTROL_APPLICATION} {self.name}"),
            lambda: sum(slot.connected for slot in self._slots),
            self._waits,
            self._history,
            recent,
        )
        turns = Turns(
            settings=settings,
            name=self.name,
            services={name: Served(writes.service, tables_by_task(writes)) for name, writes in self.services.items()},
            scheduler=self.scheduler,
            consuming=self.lanes,
            publishing=self._publisher,
            clock=clock,
            batch_span=measured(self._batch_span),
            readers=ThreadPoolExecutor(settings.slots, thread_name_prefix="writegate-reader"),
        )
        engine = engine_of(settings, application)
        # The rest of the budget: one connection is the control thread's.
        self._slots = [
            Slot(
                number,
                self.scheduler,
                turns,
                engine,
                self.services,
                clock,
                lambda: self._control.connected,
                self._waits,
            )
            for number in range(min(settings.slots, settings.connections - 1))
        ]
        self._watchdog = Watchdog(self._slots, self._control, settings, clock)
        self._watchdog.start()
        self._control.start()
        for slot in self._slots:
            slot.start()
        # What is there now stays. The collector, which runs every few hundred commands, need not look at it any more.
        gc.collect()
        gc.freeze()
        if settings.health_port:
            self._start_health()

    def _start_health(self) -> None:
        register(State(self.info, self.backlogs, self._history, self.settings.memory_bytes))
        self._health = Health(self.settings.health_port, self.info)
        self._health.start()

    def stop(self) -> None:
        """Stop in the one order that loses and repeats nothing.

        Slots finish their batches first; their acknowledgements are sent while the channels are still open; only
        then do the channels close, which gives the rest back in order; and the leases go last, so that no writer starts
        on a domain that still has a batch in flight.
        """
        if not self._started:
            return
        self._started = False
        self.scheduler.close()
        self._watchdog.stop()
        deadline = time.monotonic() + _STOP_SECONDS
        while any(slot.is_alive() for slot in self._slots) and time.monotonic() < deadline:
            self.lanes.run_posts()
            time.sleep(0.01)
        self._publisher.close(timeout=2.0)
        self.lanes.run_posts()
        self.lanes.close_all()
        self._control.stop(timeout=5.0)
        self.lanes.run_posts()

    def info(self) -> dict[str, Any]:
        """What this process is doing, for monitors."""
        domains = self.scheduler.domains() if self._started else []
        connections = sum(slot.connected for slot in self._slots) + (self._started and self._control.connected)
        return {
            "writer": self.name,
            "standing_by": self._started and self._control.standing_by,
            "broker": self._started and self.lanes.connected and self._publisher.connected,
            "connections": int(connections),
            "held_bytes": self.lanes.held_bytes,
            "crowded": self.scheduler.crowded,
            "conflicts": self._waits.conflicts if self._started else 0,
            "domains": {
                one.name: {"phase": one.phase.value, "epoch": one.epoch, "waiting": one.waiting} for one in domains
            },
        }

    def backlogs(self) -> dict[str, Backlog]:
        """What waits in this process, by service."""
        return backlogs(self.scheduler.domains(), int(self._clock.now().timestamp() * 1000))
