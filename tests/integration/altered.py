"""Writers with one rule taken out: negative controls of the tests, and faults at an exact moment.

``python -m tests.integration.altered NAME …`` runs Celery's command with the rest of the arguments.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast
from unittest import mock

from celery.__main__ import main
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from tests.deadlines import patient
from writegate import contract_of, urls
from writegate_writer.apply import batch
from writegate_writer.apply.batch import BatchProcessor
from writegate_writer.apply.transaction import apply
from writegate_writer.broker import lanes
from writegate_writer.broker.acknowledgements import Acks
from writegate_writer.broker.lanes import Lanes
from writegate_writer.database import fence, maintenance, outbox, transaction
from writegate_writer.database import samples as history
from writegate_writer.database.session import Session
from writegate_writer.decide.classify import Work
from writegate_writer.decide.store import Decision, Opened, Owner
from writegate_writer.handlers.loading import load_services
from writegate_writer.handlers.writes import Writes
from writegate_writer.schedule import batching as cutting
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.sharing import Sharing
from writegate_writer.worker.process import Process

_FENCE = f"{fence.FENCE};"
SAMPLE_SECONDS = 1.5
MAINTENANCE_SECONDS = 3.0
_WARM_SECONDS = 3.0  # less than the broker waits for a heartbeat


def without_ledger() -> None:
    """Apply whatever comes, as if it had never been seen."""
    look_up, leave = transaction.open_transaction, transaction.leave_role

    def know_nothing(*arguments: Any) -> Opened:
        return replace(look_up(*arguments), known={})

    def write_nothing(
        session: Session, owner: Owner, opened: Opened, service: str, _: Sequence[Decision], sent: int | None
    ) -> bool:
        return leave(session, owner, opened, service, [], sent)

    mock.patch.object(transaction, "open_transaction", know_nothing).start()
    mock.patch.object(transaction, "leave_role", write_nothing).start()


def acks_before_commit() -> None:
    """Acknowledge a batch as soon as it is taken, and die before its transaction."""

    def end(self: BatchProcessor, _: str, work: Work, __: int) -> NoReturn:
        consuming, domain = cast(Lanes, self._consuming), self._domain
        consuming.settle(domain, Counter(one.delivery for one in work.arrived))
        acknowledged = threading.Event()

        def ask() -> None:
            # Answered once the broker has read the acknowledgements.
            consuming._open[domain.name].channel.basic_qos(0, 1, False)  # noqa: SLF001  the inside is altered
            acknowledged.set()

        consuming.post(ask)
        acknowledged.wait(patient(10))
        _die()

    mock.patch.object(BatchProcessor, "_apply", end).start()


def acks_on_delivery() -> None:
    """Acknowledge whatever is delivered at once, and apply it then."""
    take_in = Lanes._delivered  # noqa: SLF001  the inside is altered

    def delivered(self: Lanes, domain: Domain, opened: Any, *rest: Any) -> None:
        take_in(self, domain, opened, *rest)
        opened.channel.basic_ack(rest[-1].delivery_info["delivery_tag"], False)

    mock.patch.object(Lanes, "_delivered", delivered).start()
    mock.patch.object(Acks, "settle", return_value=[]).start()


def without_fence() -> None:
    """Neither lock a domain nor look at its epoch."""
    for module, name in ((transaction, "_OPEN"), (transaction, "_START"), (outbox, "_DELETE_SENT_ALONE")):
        statements = getattr(module, name)
        assert _FENCE in statements
        mock.patch.object(module, name, statements.replace(_FENCE, "")).start()
    mock.patch.object(fence, "check_owned").start()


def cancels_consumers() -> None:
    """Let go of lanes by `basic.cancel`, and take some time to end, as a stock worker does."""
    stop = Process.stop

    def cancel(self: Lanes, opened: Any) -> None:
        del self._open[opened.domain.name]
        for tag in list(opened.channel.callbacks):
            opened.channel.basic_cancel(tag)

    def stop_warmly(self: Process) -> None:
        started = self._started
        stop(self)
        if started:
            time.sleep(_WARM_SECONDS)

    mock.patch.object(Lanes, "_close_channel", cancel).start()
    mock.patch.object(Process, "stop", stop_warmly).start()


def dies_before_ack() -> None:
    """Die after the first commit, before anything is published or acknowledged."""

    def last(*arguments: Any) -> NoReturn:
        apply(*arguments)
        _die()

    mock.patch.object(batch, "apply", last).start()


def freezes_before_transaction() -> None:
    """Stop for a while, with a batch that no transaction knows of yet."""

    def later(*arguments: Any) -> Any:
        _freeze()
        return apply(*arguments)

    mock.patch.object(batch, "apply", later).start()


def freezes_before_commit() -> None:
    """Stop for a while between the handlers and the COMMIT."""
    leave = transaction.leave_role

    def slowly(*arguments: Any) -> bool:
        left = leave(*arguments)
        _freeze()
        return left

    mock.patch.object(transaction, "leave_role", slowly).start()


def freezes_before_ack() -> None:
    """Stop for a while between the COMMIT and the acknowledgements."""

    def last(*arguments: Any) -> Any:
        done = apply(*arguments)
        _freeze()
        return done

    mock.patch.object(batch, "apply", last).start()


def _corner_after(deliveries: int) -> None:
    for module in (batch, cutting):
        mock.patch.object(module, "ALONE_AFTER_DELIVERIES", deliveries).start()


def without_corner() -> None:
    """Never suspect a single command."""
    _corner_after(sys.maxsize)


def with_early_corner() -> None:
    """Suspect single commands after two deaths, not ten: a test has no time for so many."""
    _corner_after(2)


def without_tolerance() -> None:
    """Read messages as py-amqp does."""
    mock.patch.object(lanes, "accept_malformed_properties").start()


def _freeze() -> None:
    """Stop, if no other writer has; whoever names the file in ``FROZEN`` finds the process id in it."""
    with suppress(FileExistsError), Path(os.environ["FROZEN"]).open("x") as file:
        file.write(str(os.getpid()))
        file.flush()
        os.kill(os.getpid(), signal.SIGSTOP)


def serves_lanes_apart() -> None:
    """Serve whatever the database calls a domain."""
    mock.patch.object(Sharing, "_is_foreign", return_value=False).start()


def keeps_channels() -> None:
    """Never let go of what was delivered, whatever happens to the database."""
    mock.patch.object(Lanes, "_close_channel").start()


def with_a_broken_upgrade() -> None:
    """Have a bug in the upgrade from the first version of a contract."""
    kind = load_services()["trial"].service.commands["trial.renamed"]
    contract = contract_of(kind)

    def fail(fields: Any) -> Any:
        return fields.to_account()

    kind.__writegate__ = replace(contract, upgrades={**contract.upgrades, 1: fail})


def run_says_nothing() -> None:
    """Register a handler that runs any SQL as one that changes no table."""
    tables_of = Writes.tables_of
    mock.patch.object(
        Writes, "tables_of", lambda self, task: () if task == "trial.run" else tables_of(self, task)
    ).start()


def traced() -> None:
    """Write spans to the log, a line of JSON each, as a deployment would send them to its collector."""
    provider = TracerProvider()
    exporter = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def samples_often() -> None:
    """Take a sample of the gate's figures every second or two: tests need not wait for the tenth."""
    mock.patch.object(history, "EVERY_SECONDS", SAMPLE_SECONDS).start()


def maintains_often() -> None:
    """Try maintenance again after a few seconds: tests need not wait for the minute."""
    mock.patch.object(maintenance, "_INTERVAL_SECONDS", MAINTENANCE_SECONDS).start()


def any_host_name() -> None:
    """Let Celery's connections take a certificate of a known authority for any host."""
    tls_of = urls.tls_of

    def names_no_host(url: str) -> dict[str, Any] | None:
        options = tls_of(url)
        return options and {name: value for name, value in options.items() if name != "server_hostname"}

    mock.patch.object(urls, "tls_of", names_no_host).start()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


CHANGES: dict[str, Callable[[], None]] = {
    change.__name__: change
    for change in (
        without_ledger,
        without_fence,
        acks_on_delivery,
        cancels_consumers,
        acks_before_commit,
        dies_before_ack,
        freezes_before_transaction,
        freezes_before_commit,
        freezes_before_ack,
        without_corner,
        with_early_corner,
        without_tolerance,
        serves_lanes_apart,
        keeps_channels,
        with_a_broken_upgrade,
        run_says_nothing,
        traced,
        samples_often,
        maintains_often,
        any_host_name,
    )
}

if __name__ == "__main__":
    CHANGES[sys.argv.pop(1)]()
    main()
