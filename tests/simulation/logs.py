"""The writer's own log lines, as events of the history."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from tests.simulation.history import History, Violation
from tests.simulation.schedule import Schedule
from writegate.errors import WritegateError

# What the writer says when it survives something that nobody has thought of.
_BUGS = frozenset({"domain.failed", "control.failed"})


@contextmanager
def kept(history: History, schedule: Schedule) -> Iterator[None]:
    """Send what is logged meanwhile to a history instead."""

    def keep(_: Any, __: str, event: MutableMapping[str, Any]) -> Any:
        actor = schedule.current
        rest = ", ".join(f"{name}={value}" for name, value in event.items() if name not in ("event", "exc_info"))
        history.add(schedule.now, actor.name if actor else "?", "{}: {}", event["event"], rest)
        error = sys.exc_info()[1] if event["event"] in _BUGS else None
        if error is not None and not isinstance(error, WritegateError):
            raise Violation(f"{event['event']}: {error!r}") from error
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
