"""The depths of the queues, from the broker's management API."""

from __future__ import annotations

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.broker import TIMEOUT_SECONDS, queues
from writegate_console.gate.status.screen import Depth


def depths(settings: Settings, seconds: float = TIMEOUT_SECONDS) -> tuple[dict[str, Depth], str | None]:
    """Return what is in each queue by name, or nothing and why: a broker that is away hides only its own part."""
    try:
        found = queues(settings, seconds)
    except WritegateError as error:
        return {}, f"{error}: no depths"
    return {
        name: Depth(
            queue.get("messages", 0),
            queue.get("message_stats", {}).get("publish_details", {}).get("rate", 0.0),
        )
        for name, queue in found.items()
    }, None
