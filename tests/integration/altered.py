"""Writers with one rule taken out: negative controls of the tests, and faults at an exact moment.

``python -m tests.integration.altered NAME …`` runs Celery's command with the rest of the arguments.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn, cast
from unittest import mock

from celery.__main__ import main
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from writegate_writer import batch, lanes, ledger
from writegate_writer.batch import Deciding
from writegate_writer.lanes import Lanes
from writegate_writer.session import Session
from writegate_writer.sorting import Work
from writegate_writer.store import Holder, Opened
from writegate_writer.transaction import apply


def without_ledger() -> None:
    """Apply whatever comes, as if it had never been seen."""
    look_up, enter = ledger.open_transaction, ledger.enter

    def know_nothing(*arguments: Any) -> Opened:
        return replace(look_up(*arguments), known={})

    def write_nothing(session: Session, holder: Holder, opened: Opened, service: str, _: Sequence[Any]) -> None:
        enter(session, holder, opened, service, [])

    mock.patch.object(ledger, "open_transaction", know_nothing).start()
    mock.patch.object(ledger, "enter", write_nothing).start()


def acks_before_commit() -> None:
    """Acknowledge a batch as soon as it is taken, and die before its transaction."""

    def end(self: Deciding, _: str, work: Work) -> NoReturn:
        consuming, domain = cast(Lanes, self._consuming), self._domain
        consuming.settle(domain, [one.delivery for one in work.arrived])
        acknowledged = threading.Event()

        def ask() -> None:
            # Answered once the broker has read the acknowledgements.
            consuming._open[domain.name].channel.basic_qos(0, 1, False)  # noqa: SLF001  the inside is altered
            acknowledged.set()

        consuming.post(ask)
        acknowledged.wait(10)
        _die()

    mock.patch.object(Deciding, "_apply", end).start()


def dies_before_ack() -> None:
    """Die after the first commit, before anything is published or acknowledged."""

    def last(*arguments: Any) -> NoReturn:
        apply(*arguments)
        _die()

    mock.patch.object(batch, "apply", last).start()


def without_tolerance() -> None:
    """Read messages as py-amqp does."""
    mock.patch.object(lanes, "tolerate").start()


def traced() -> None:
    """Write spans to the log, a line of JSON each, as a deployment would send them to its collector."""
    provider = TracerProvider()
    exporter = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


CHANGES: dict[str, Callable[[], None]] = {
    change.__name__: change
    for change in (without_ledger, acks_before_commit, dies_before_ack, without_tolerance, traced)
}

if __name__ == "__main__":
    CHANGES[sys.argv.pop(1)]()
    main()
