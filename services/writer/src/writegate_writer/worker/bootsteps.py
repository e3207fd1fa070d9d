"""The writer inside Celery's worker: Celery's consumer, with our lanes in place of its tasks. On the hub thread.

Connecting and reconnecting, heartbeats, events, remote control and signals are Celery's own. Left out are `Tasks` (it
acknowledges messages that it does not understand), `Mingle` and `Gossip` (there is nothing to synchronise), and
`DelayedDelivery` (as soon as a queue is a quorum queue, it declares dozens of exchanges and binds them to ours).
"""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Final

from celery import bootsteps
from celery.bootsteps import RUN  # type: ignore[attr-defined]  # missing in the stubs
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.consumer.connection import Connection
from celery.worker.consumer.events import Events
from kombu.common import QoS

from writegate.message.receipt import Receipt
from writegate_writer import counters
from writegate_writer.broker.patches import retry_steadily
from writegate_writer.decide.result import BatchResult
from writegate_writer.receive.delivery import Arrived, Refused
from writegate_writer.worker.mailbox import Mailbox
from writegate_writer.worker.process import Process

RECONNECT_SECONDS: Final = 1.0
"""Between two tries to reach the broker."""


class LanesStep(bootsteps.StartStopStep):
    """Starts and stops the process with the worker, and opens its lanes on each new connection."""

    requires = (Connection, Events)
    name = "Lanes"

    def __init__(self, c: Any, **kwargs: Any) -> None:
        super().__init__(c, **kwargs)
        self._process: Process = c.app.writegate_process
        c.task_consumer = c.qos = None

    def start(self, c: Any) -> None:
        """Start the process. Called on every connection to the broker, the first included."""
        lanes = self._process.lanes
        c.task_consumer = lanes
        # Celery's loop needs one. Prefetch is set on each channel, and never changes.
        c.qos = QoS(lambda **_: None, 0)
        lanes.report_to_celery = _Reporter(c)
        self._process.start()

    def register_with_event_loop(self, c: Any, hub: Any) -> None:
        """Read from the connection in our own way. Called when Celery is about to run its loop."""
        self._process.lanes.attach(c.connection, hub)

    def stop(self, c: Any) -> None:
        """Forget the connection, or stop the process. Called when it was lost, and when the worker shuts down."""
        lost = c.blueprint.state == RUN
        c.task_consumer = None
        if lost:
            self._process.lanes.detach()
        else:
            self._process.stop()

    def info(self, _: Any) -> dict[str, Any]:  # type: ignore[override]  # the stubs know only the empty one
        """Return what `celery inspect stats` shows."""
        return {"writegate": self._process.info()}


class ControlStep(bootsteps.StartStopStep):
    """Celery's remote control, with a mailbox of ours. Its own step requires `Tasks`, which would be started for it."""

    requires = (LanesStep,)
    name = "Control"

    def __init__(self, c: Any, **kwargs: Any) -> None:
        super().__init__(c, **kwargs)
        self._mailbox = Mailbox(c)

    def start(self, c: Any) -> None:
        """Listen. Called on every connection to the broker."""
        self._mailbox.start(c)

    def stop(self, c: Any) -> None:
        """Stop listening."""
        self._mailbox.stop(c)

    def shutdown(self, c: Any) -> None:
        """Stop listening for good."""
        self._mailbox.shutdown(c)

    def include_if(self, c: Any) -> bool:
        """Return whether the application wants remote control."""
        return bool(c.app.conf.worker_enable_remote_control)


class GateConsumer(Consumer):
    """Celery's consumer with our blueprint."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]  # declared as a variable in the stubs
        """The steps that are kept, and ours."""

        default_steps: ClassVar[list[str]] = [
            "celery.worker.consumer.connection:Connection",
            "celery.worker.consumer.events:Events",
            "celery.worker.consumer.heart:Heart",
            "writegate_writer.worker.bootsteps:LanesStep",
            "writegate_writer.worker.bootsteps:ControlStep",
            "celery.worker.consumer.consumer:Evloop",
        ]

    def ensure_connected(self, conn: Any) -> Any:
        """Connect as Celery does, with pauses between the attempts that do not grow."""
        retry_steadily(conn, RECONNECT_SECONDS)
        return super().ensure_connected(conn)

    def create_task_handler(self, *_: Any, **__: Any) -> Any:
        """Return nothing: Celery handles no message."""
        return None

    def update_strategies(self) -> None:
        """Do nothing: there are no tasks of Celery's."""


class _Reporter:
    """Counts decided commands, and reports them as Celery's monitors expect of tasks."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def __call__(self, done: BatchResult) -> None:
        counters.decided(done)
        parts = done.parts
        state.all_total_count[0] += len(parts)
        for task, count in Counter(part.item.task for part in parts if part.item is not None).items():
            state.total_count[task] += count
        dispatcher = self._consumer.event_dispatcher
        if dispatcher is not None and dispatcher.enabled and (not dispatcher.groups or "task" in dispatcher.groups):
            for part, receipt in done.receipts():
                self._events(dispatcher, part, receipt)

    def _events(self, dispatcher: Any, part: Arrived | Refused, receipt: Receipt) -> None:
        task = part.item.task if part.item is not None else "?"
        dispatcher.send(
            "task-received", uuid=receipt.id, name=task, args="", kwargs="", retries=0, eta=None, expires=None
        )
        dispatcher.send("task-started", uuid=receipt.id)
        if receipt.cause is None:
            dispatcher.send("task-succeeded", uuid=receipt.id, result=receipt.outcome, runtime=0.0)
        else:
            dispatcher.send("task-failed", uuid=receipt.id, exception=receipt.cause.message, traceback="")
