"""Metrics and traces of publish calls and of the writer's batches. The setting ``telemetry`` names which are made.

In: the start and end of each publish call, on the caller's thread and on the I/O thread. Out: spans
(``opentelemetry``) and metrics (``prometheus``). Neither library is imported unless the setting names it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol

from writegate.config import Settings
from writegate.errors import PublishError, SettingsError
from writegate.message.envelope import Item
from writegate.message.topology import Route

Addressed = Sequence[tuple[Route, Item]]
Accepting = Future[Collection[str]]  # the ids that went to the spool
BatchSpan = Callable[[str, str, int, Iterable[str]], AbstractContextManager[object]]
"""Called with service, domain, number of commands, and the trace contexts of those who published them."""


class Observation(Protocol):
    """One publish call, while it lasts."""

    @property
    def traceparent(self) -> str | None:
        """The trace context that its commands carry (W3C Trace Context, section 3.2), or None."""

    def end(self, commands: Mapping[tuple[str, str], int], seconds: float, error: BaseException | None) -> None:
        """The call has ended. ``commands`` is their number by service and outcome.

        The outcome is ``confirmed``, ``spooled``, or the name of the error class. On any thread; must not raise.
        """


class Observer(Protocol):
    """Observes every call of a publisher."""

    def start(self, commands: Mapping[str, int]) -> Observation:
        """A call begins, on the caller's thread and in its context. ``commands`` is their number by service."""

    def login(self, user: str, *, refused: bool) -> None:
        """The broker let this user in, or refused to. On the I/O thread; must not raise."""


def observers_of(settings: Settings) -> tuple[Observer, ...]:
    """Return the observers that the settings name.

    Raises :class:`~writegate.errors.SettingsError` when what one needs is not installed.
    """
    return tuple(_module(name).OBSERVER for name in settings.telemetry.split(",") if name)


def batch_span_of(settings: Settings) -> BatchSpan:
    """Return what makes a writer's span around a batch. Raises as :func:`observers_of` does."""
    if "opentelemetry" not in settings.telemetry.split(","):
        return untraced
    span: BatchSpan = _module("opentelemetry").batch_span
    return span


def metrics_page(settings: Settings) -> tuple[bytes, str] | None:
    """Return the page that Prometheus reads and its content type; None unless the settings name ``prometheus``."""
    if "prometheus" not in settings.telemetry.split(","):
        return None
    page: tuple[bytes, str] = _module("prometheus").page()
    return page


def untraced(*_: object) -> AbstractContextManager[object]:
    """Return a context that does nothing: batches are not traced."""
    return nullcontext()


def _module(name: str) -> Any:
    try:
        return import_module(f"writegate.telemetry.{name}")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"WRITEGATE_TELEMETRY names {name}, and {error.name} is not installed: install writegate[{name}]"
        ) from error


def observed(
    observers: Sequence[Observer], addressed: Addressed, hand_in: Callable[[Addressed], Accepting]
) -> Accepting:
    """Hand in a call's commands, and notify the observers of its start and end."""
    started = time.monotonic()
    services = Counter(_service(item) for _, item in addressed)
    observations = [observer.start(services) for observer in observers]
    carried = (observation.traceparent for observation in observations)
    traceparent = next((context for context in carried if context is not None), None)
    if traceparent is not None:
        addressed = [(route, replace(item, traceparent=traceparent)) for route, item in addressed]

    def end(error: BaseException | None, spooled: Collection[str]) -> None:
        commands = Counter((_service(item), _outcome(item, error, spooled)) for _, item in addressed)
        for observation in observations:
            observation.end(commands, time.monotonic() - started, error)

    try:
        accepting = hand_in(addressed)
    except PublishError as error:
        end(error, ())
        raise
    accepting.add_done_callback(lambda done: end(done.exception(), () if done.exception() else done.result()))
    return accepting


def _service(item: Item) -> str:
    return item.task.partition(".")[0]


def _outcome(item: Item, error: BaseException | None, spooled: Collection[str]) -> str:
    if error is not None:
        return type(error).__name__
    return "spooled" if item.id in spooled else "confirmed"
