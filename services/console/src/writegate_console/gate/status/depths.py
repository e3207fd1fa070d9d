"""The depths of the queues, from the broker's management API."""

from __future__ import annotations

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.broker import TIMEOUT_SECONDS, read_queues
from writegate_console.gate.status.model import QueueDepth


def read_depths(
    settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[dict[str, QueueDepth], str | None]:
    """Return the depth of each queue by name, or none and why: without the broker the rest of a status is shown."""
    try:
        found = read_queues(settings, timeout_seconds)
    except WritegateError as error:
        return {}, f"{error}: no depths"
    return {
        name: QueueDepth(
            queue.get("messages", 0),
            queue.get("message_stats", {}).get("publish_details", {}).get("rate", 0.0),
        )
        for name, queue in found.items()
    }, None
