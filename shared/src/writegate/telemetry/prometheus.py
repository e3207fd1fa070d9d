"""Metrics of publishing, on prometheus-client's default registry.

``writegate_published_commands_total{service, outcome}`` counts commands; ``writegate_publish_seconds{service}`` is the
duration of calls; ``writegate_publisher_login_refused{user}`` is 1 while the broker refuses this process's log-in.
Processes that fork after the import need prometheus-client's multiprocess mode, as for any metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

# From the confirm of a broker nearby to the default time limit.
_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

COMMANDS = Counter(
    "writegate_published_commands",
    "Commands of publish calls, by outcome: confirmed, spooled, or the name of the error.",
    ["service", "outcome"],
)
SECONDS = Histogram(
    "writegate_publish_seconds",
    "Duration of publish calls until they were accepted or failed.",
    ["service"],
    buckets=_BUCKETS_SECONDS,
)

LOGIN_REFUSED = Gauge(
    "writegate_publisher_login_refused",
    "1 while the broker refuses user, password or vhost of this process: what it publishes waits in its spool.",
    ["user"],
    multiprocess_mode="livemax",
)


class MetricsObserver:
    """An :class:`~writegate.telemetry.Observer` that counts. It has no state, so it is also every observation."""

    traceparent = None

    def start(self, commands: Mapping[str, int]) -> Self:  # noqa: ARG002  it counts at the end
        """Return the observation of a call."""
        return self

    def login(self, user: str, *, refused: bool) -> None:
        """Set the figure that an alert asks for."""
        LOGIN_REFUSED.labels(user).set(refused)

    def end(self, commands: Mapping[tuple[str, str], int], seconds: float, error: BaseException | None) -> None:  # noqa: ARG002  the outcome names the error
        """Count the commands by outcome, and observe the duration for each service."""
        for (service, outcome), count in commands.items():
            COMMANDS.labels(service, outcome).inc(count)
        for service in dict.fromkeys(service for service, _ in commands):
            SECONDS.labels(service).observe(seconds)


def page() -> tuple[bytes, str]:
    """Return all metrics of this process, as Prometheus reads them, and their content type."""
    return generate_latest(), CONTENT_TYPE_LATEST


OBSERVER = MetricsObserver()
