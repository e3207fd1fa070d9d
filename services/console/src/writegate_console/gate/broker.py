"""The broker's management API, as a user with the tag ``monitoring``. The only module that calls it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from writegate.config import Settings
from writegate.errors import SettingsError, WritegateError
from writegate.urls import vhost_of

TIMEOUT_SECONDS = 10.0
_COLUMNS = "name,messages,message_stats"  # a tenth of the full answer


def read_queues(settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS) -> dict[str, dict[str, Any]]:
    """Return each queue of the vhost by name, with its messages and counters.

    Raises :class:`WritegateError` when the broker does not answer or refuses.
    """
    if not settings.broker_api_url:
        raise SettingsError("WRITEGATE_BROKER_API_URL is not set")
    vhost = vhost_of(settings.broker_url)
    # An explicit transport ignores the machine's proxy settings: they are for the world outside, not for the broker.
    try:
        with httpx.Client(timeout=timeout_seconds, transport=httpx.HTTPTransport()) as client:
            response = client.get(
                f"{settings.broker_api_url.rstrip('/')}/api/queues/{quote(vhost, safe='')}",
                params={"columns": _COLUMNS},
            )
    except httpx.TransportError as error:
        raise WritegateError(f"the broker's management API does not answer ({error})") from error
    if response.is_error:
        # httpx's own message holds the address, and with it the password.
        raise WritegateError(
            f"the broker's management API answered {response.status_code}: "
            "WRITEGATE_BROKER_API_URL must name a user with the tag monitoring and its password"
        )
    return {queue["name"]: queue for queue in response.json()}
