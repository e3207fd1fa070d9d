"""The depths of the queues, from the broker's management API."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import httpx

from writegate.config import Settings
from writegate_console.status.screen import Depth

TIMEOUT_SECONDS = 10.0


def depths(settings: Settings) -> tuple[dict[str, Depth], str | None]:
    """Return what is in each queue by name, or nothing and why: a broker that is away hides only its own part."""
    if not settings.broker_api_url:
        return {}, "WRITEGATE_BROKER_API_URL is not set: no depths"
    vhost = unquote(urlsplit(settings.broker_url).path.removeprefix("/")) or "/"
    try:
        # A transport of its own: the machine's proxy settings are for the world outside, not for the broker.
        with httpx.Client(timeout=TIMEOUT_SECONDS, transport=httpx.HTTPTransport()) as client:
            response = client.get(f"{settings.broker_api_url.rstrip('/')}/api/queues/{quote(vhost, safe='')}")
        response.raise_for_status()
    except httpx.HTTPStatusError as error:
        return {}, (
            f"the broker's management API answered {error.response.status_code}: no depths: "
            "WRITEGATE_BROKER_API_URL must name a user with the tag monitoring and its password"
        )
    except httpx.TransportError as error:
        return {}, f"the broker's management API does not answer ({error}): no depths"
    return {
        queue["name"]: Depth(
            queue.get("messages", 0),
            queue.get("message_stats", {}).get("publish_details", {}).get("rate", 0.0),
        )
        for queue in response.json()
    }, None
