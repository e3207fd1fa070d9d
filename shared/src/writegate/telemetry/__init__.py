"""Telling metrics and traces of publish calls and batches, for those who asked: the setting names which.

Neither library is imported before it was asked for, and a publisher without observers takes no detour.
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
        """What its commands carry of it (W3C Trace Context, section 3.2), if anything."""

    def end(self, commands: Mapping[tuple[str, str], int], seconds: float, error: BaseException | None) -> None:
        """The call has ended: so many commands by service and outcome.

        The outcome is ``confirmed``, ``spooled``, or the name of the error. On any thread; must not raise.
        """


class Observer(Protocol):
    """Is told of every publish call of a publisher."""

    def start(self, commands: Mapping[str, int]) -> Observation:
        """A call begins, in the caller's own context: so many commands by service."""


def observers_of(settings: Settings) -> tuple[Observer, ...]:
    """Return the observers that the settings name.

    Raises :class:`~writegate.errors.SettingsError` when what one needs is not installed.
    """
    return tuple(_module(name).Publishing() for name in settings.telemetry.split(",") if name)


def batch_span_of(settings: Settings) -> BatchSpan:
    """Return what a writer puts around each batch. Raises as :func:`observers_of` does."""
    if "opentelemetry" not in settings.telemetry.split(","):
        return untraced
    span: BatchSpan = _module("opentelemetry").batch_span
    return span


def metrics_page(settings: Settings) -> tuple[bytes, str] | None:
    """Return what a process tells Prometheus and its content type; None when the settings do not ask for that."""
    if "prometheus" not in settings.telemetry.split(","):
        return None
    page: tuple[bytes, str] = _module("prometheus").page()
    return page


def untraced(*_: object) -> AbstractContextManager[object]:
    """Put nothing around a batch."""
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
    """Hand in a call's commands, and tell the observers when it begins and how it ends."""
    started = time.monotonic()
    services = Counter(_service(item) for _, item in addressed)
    observations = [observer.start(services) for observer in observers]
    traceparent = next((one.traceparent for one in observations if one.traceparent is not None), None)
    if traceparent is not None:
        addressed = [(route, replace(item, traceparent=traceparent)) for route, item in addressed]

    def end(error: BaseException | None, spooled: Collection[str]) -> None:
        commands = Counter((_service(item), _outcome(item, error, spooled)) for _, item in addressed)
        for one in observations:
            one.end(commands, time.monotonic() - started, error)

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
