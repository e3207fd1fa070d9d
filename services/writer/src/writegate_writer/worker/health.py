"""The health pages of a writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from writegate.telemetry.health import HealthServer


def health_server_of(address: tuple[str, int], info: Callable[[], Mapping[str, Any]]) -> HealthServer:
    """Return the server of a writer's pages. ``info``: the state of the process, shown at `/readyz`.

    Ready means connected to the broker, and to the database or standing by for a connection to it.
    """

    def ready() -> tuple[bool, Mapping[str, Any]]:
        state = info()
        return state["broker"] and (state["standing_by"] or state["connections"] > 0), state

    return HealthServer(address, ready, lambda: (generate_latest(), CONTENT_TYPE_LATEST))
