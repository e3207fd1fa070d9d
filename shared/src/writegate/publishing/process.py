"""The publisher of this process, and functions that publish with it.

There is one, made at first use and closed at exit. A forked child (of gunicorn or of a Celery worker) makes its own,
since a connection cannot be shared. Any number of threads and event loops may use it.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from writegate.config import Settings
from writegate.contract.command import Command
from writegate.errors import SettingsError
from writegate.publishing import Accepted, PendingReceipt, Publisher


@dataclass(frozen=True)
class _Configuration:
    settings: Settings | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    app_id: str | None = None


_locks: dict[str, threading.Lock] = {}
_configuration = _Configuration()
_own: Publisher | None = None
_stand_in: Publisher | None = None


def _lock() -> threading.Lock:
    """Return the lock of this process, made at its first use.

    `gunicorn --preload -k gevent` imports this module first and patches :mod:`threading` after the fork. A lock from
    before is the operating system's: whoever waits for it stops the thread, with the greenlet in it that is to release
    it.
    """
    return _locks.setdefault("", threading.Lock())  # one step, whoever else may come


def configure(
    *, settings: Settings | None = None, defaults: Mapping[str, Any] | None = None, app_id: str | None = None
) -> None:
    """Configure how the publisher of this process is made. Optional; call it before the first use.

    By default all settings come from the environment. ``settings`` replace it; ``defaults`` (``broker_url`` …) apply to
    variables that are not set. ``app_id`` names the publishing service in its messages. Raises
    :class:`~writegate.errors.SettingsError` when the publisher exists already with another configuration.
    """
    global _configuration  # noqa: PLW0603  this module holds the state of the process
    wanted = _Configuration(settings, dict(defaults or {}), app_id)
    with _lock():
        if _own is not None and wanted != _configuration:
            raise SettingsError("the publisher of this process is in use already: configure it before its first use")
        _configuration = wanted


def settings(need: tuple[str, ...] = ("broker_url",)) -> Settings:
    """Return the settings of this process; ``need`` names those that must be given.

    Raises :class:`~writegate.errors.SettingsError` when one is missing or wrong.
    """
    return _configuration.settings or Settings.load(need=need, defaults=_configuration.defaults)


def publisher() -> Publisher:
    """Return the publisher of this process.

    Raises :class:`~writegate.errors.SettingsError` when a setting is missing or wrong.
    """
    global _own  # noqa: PLW0603  see configure
    if _stand_in is not None:
        return _stand_in
    with _lock():
        if _own is None:
            _own = Publisher(settings(), app_id=_configuration.app_id)
        return _own


def close() -> None:
    """Close the publisher of this process, if there is one. The next use makes another. Called at exit as well."""
    global _own
    with _lock():
        closing, _own = _own, None
    if closing is not None:
        closing.close()


@contextmanager
def replace(other: Publisher) -> Iterator[None]:
    """Let the whole process publish with ``other`` inside the block. For tests."""
    global _stand_in  # noqa: PLW0603  see configure
    before, _stand_in = _stand_in, other
    try:
        yield
    finally:
        _stand_in = before


@overload
def publish(command: Command, *, timeout: float | None = None) -> Accepted: ...
@overload
def publish(command: Command, *, receipt: Literal[True], timeout: float | None = None) -> PendingReceipt: ...
def publish(command: Command, *, receipt: bool = False, timeout: float | None = None) -> Accepted | PendingReceipt:
    """Publish one command with the publisher of this process.

    See :meth:`Publisher.publish <writegate.publishing.Publisher.publish>`.
    """
    if receipt:
        return publisher().publish(command, receipt=True, timeout=timeout)
    return publisher().publish(command, timeout=timeout)


@overload
async def apublish(command: Command, *, timeout: float | None = None) -> Accepted: ...
@overload
async def apublish(command: Command, *, receipt: Literal[True], timeout: float | None = None) -> PendingReceipt: ...
async def apublish(
    command: Command, *, receipt: bool = False, timeout: float | None = None
) -> Accepted | PendingReceipt:
    """:func:`publish` for event loops."""
    if receipt:
        return await publisher().apublish(command, receipt=True, timeout=timeout)
    return await publisher().apublish(command, timeout=timeout)


@overload
def publish_many(commands: Iterable[Command], *, timeout: float | None = None) -> list[Accepted]: ...
@overload
def publish_many(
    commands: Iterable[Command], *, receipt: Literal[True], timeout: float | None = None
) -> list[PendingReceipt]: ...
def publish_many(
    commands: Iterable[Command], *, receipt: bool = False, timeout: float | None = None
) -> list[Accepted] | list[PendingReceipt]:
    """Publish many commands with the publisher of this process.

    See :meth:`Publisher.publish_many <writegate.publishing.Publisher.publish_many>`.
    """
    if receipt:
        return publisher().publish_many(commands, receipt=True, timeout=timeout)
    return publisher().publish_many(commands, timeout=timeout)


@overload
async def apublish_many(commands: Iterable[Command], *, timeout: float | None = None) -> list[Accepted]: ...
@overload
async def apublish_many(
    commands: Iterable[Command], *, receipt: Literal[True], timeout: float | None = None
) -> list[PendingReceipt]: ...
async def apublish_many(
    commands: Iterable[Command], *, receipt: bool = False, timeout: float | None = None
) -> list[Accepted] | list[PendingReceipt]:
    """:func:`publish_many` for event loops."""
    if receipt:
        return await publisher().apublish_many(commands, receipt=True, timeout=timeout)
    return await publisher().apublish_many(commands, timeout=timeout)


def _start_anew() -> None:
    """Drop the parent's publisher in a forked child: the two must not share its connection."""
    global _own  # noqa: PLW0603  see configure
    _locks.clear()  # another thread of the parent may have held it
    _own = None


# At exit the handlers run that were registered last come first, and some of them publish. Registered with the first
# publisher, this would come before all that the application had registered until then. What was registered before this
# import gets a publisher of its own.
atexit.register(close)
os.register_at_fork(after_in_child=_start_anew)
