"""The depths of the queues, and how old what waits in them is, from the broker's management API."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate.message.policies import harms_of_listing
from writegate_console.gate.broker import TIMEOUT_SECONDS, object_in, read_queues, read_samples
from writegate_console.gate.status.ages import WINDOWS, QueueSamples, oldest_arrival_millis
from writegate_console.gate.status.model import QueueDepth

# Each is a question of its own. With more, those that are left out have nobody who consumes them either.
MOST_ASKED = 50


def read_depths(
    settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[dict[str, QueueDepth], str | None]:
    """Return the depth of each queue by name, or none and why: without the broker the rest of a status is shown."""
    try:
        found = read_queues(settings, timeout_seconds)
        # The writers know how old the messages are that they hold. What nobody consumes only the broker has seen.
        waiting = [name for name, queue in found.items() if queue.get("messages") and not queue.get("consumers")]
        ages = read_ages(settings, sorted(waiting)[:MOST_ASKED], timeout_seconds)
    except WritegateError as error:
        return {}, f"{error}: no depths"
    return {
        name: QueueDepth(
            queue.get("messages", 0),
            object_in(queue, "message_stats", "publish_details").get("rate", 0.0),
            ages.get(name),
            tuple(harms_of_listing([queue])),
        )
        for name, queue in found.items()
    }, None


def read_ages(settings: Settings, names: Sequence[str], timeout_seconds: float = TIMEOUT_SECONDS) -> dict[str, float]:
    """Return for how many seconds at least the oldest message of each queue has waited, by the broker's samples."""
    ages: dict[str, float] = {}
    for window in WINDOWS:
        asked = [name for name in names if name not in ages]
        answers = read_samples(settings, asked, window.seconds, window.step_seconds, timeout_seconds)
        for name, answer in answers.items():
            samples = samples_of(answer)
            arrived = oldest_arrival_millis(samples)
            if arrived is None and window == WINDOWS[-1]:
                arrived = min(samples.messages, default=None)
            if arrived is not None:
                ages[name] = max(0.0, time.time() - arrived / 1000)
    return ages


def samples_of(answer: Any) -> QueueSamples:
    """Read an answer of the management API. Pure."""
    return QueueSamples(
        _by_time(object_in(answer, "messages_details")), _by_time(object_in(answer, "message_stats", "ack_details"))
    )


def _by_time(details: Mapping[str, Any]) -> dict[int, int]:
    return {sample["timestamp"]: sample["sample"] for sample in details.get("samples", ())}
