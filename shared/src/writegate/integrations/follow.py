"""A process that publishes a feed at a steady rate, with health and metrics over HTTP."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable

from writegate.config import Settings
from writegate.contract.command import Command
from writegate.errors import WritegateError
from writegate.integrations.stream import publish_stream
from writegate.publishing import Publisher
from writegate.telemetry import metrics_page
from writegate.telemetry.health import HealthServer

_STOP_SECONDS = 2.0


def follow(name: str, commands: Iterable[Command], rate: float) -> None:
    """Publish ``rate`` commands a second until they end, or until SIGTERM or SIGINT. Call it on the main thread.

    ``name`` is the program's name in error messages. An error of publishing ends the process with one line.
    Meanwhile it answers ``/livez``, ``/readyz`` and ``/metrics``, on ``WRITEGATE_HTTP_HOST`` and
    ``WRITEGATE_HTTP_PORT``.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = Settings.load(need=("broker_url",))
        with Publisher(settings) as publisher:
            health = health_server_of(settings, publisher)
            health.start()
            try:
                publish_stream(publisher, commands, rate=rate, stop=stop)
            finally:
                health.stop(time.monotonic() + _STOP_SECONDS)
    except WritegateError as error:
        sys.exit(f"{name}: {error}")


def health_server_of(settings: Settings, publisher: Publisher) -> HealthServer:
    """Return the health pages of a process that publishes with ``publisher``.

    ``/readyz`` is 200 while the broker takes commands, else 503. ``/metrics`` is 404 unless the settings name it.
    """

    def ready() -> tuple[bool, dict[str, object]]:
        connected = publisher.connected
        return connected, {"broker": connected, "login_refused": publisher.login_refused is not None}

    return HealthServer((settings.http_host, settings.http_port), ready, lambda: metrics_page(settings))
