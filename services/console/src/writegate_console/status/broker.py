"""The depths of the queues, from the broker's management API."""

from __future__ import annotations

import httpx

from writegate.config import Settings
from writegate_console.broker import TIMEOUT_SECONDS, queues
from writegate_console.status.screen import Depth


def depths(settings: Settings, seconds: float = TIMEOUT_SECONDS) -> tuple[dict[str, Depth], str | None]:
    """Return what is in each queue by name, or nothing and why: a broker that is away hides only its own part."""
    if not settings.broker_api_url:
        return {}, "WRITEGATE_BROKER_API_URL is not set: no depths"
    try:
        found = queues(settings, seconds)
    except httpx.HTTPStatusError as error:
        return {}, (
            f"the broker's management API answered {error.response.status_code}: no depths: "
            "WRITEGATE_BROKER_API_URL must name a user with the tag monitoring and its password"
        )
    except httpx.TransportError as error:
        return {}, f"the broker's management API does not answer ({error}): no depths"
    return {
        name: Depth(
            queue.get("messages", 0),
            queue.get("message_stats", {}).get("publish_details", {}).get("rate", 0.0),
        )
        for name, queue in found.items()
    }, None
