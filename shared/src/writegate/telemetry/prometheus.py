"""Metrics of publishing, on prometheus-client's default registry.

``writegate_published_commands_total{service, outcome}`` and ``writegate_publish_seconds{service}``, the time of a call.
Processes that fork after the import need prometheus-client's multiprocess mode, as for any metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

# From a confirm of a broker next door to the usual time limit.
_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

COMMANDS = Counter(
    "writegate_published_commands",
    "Commands of publish calls, by outcome: confirmed, spooled, or the name of the error.",
    ["service", "outcome"],
)
SECONDS = Histogram(
    "writegate_publish_seconds",
    "How long publish calls took until they were accepted or failed.",
    ["service"],
    buckets=_BUCKETS_SECONDS,
)


class Publishing:
    """An :class:`~writegate.telemetry.Observer`, and each of its observations: it keeps nothing between the two."""

    traceparent = None

    def start(self, commands: Mapping[str, int]) -> Self:  # noqa: ARG002  it counts at the end
        return self

    def end(self, commands: Mapping[tuple[str, str], int], seconds: float, error: BaseException | None) -> None:  # noqa: ARG002
        for (service, outcome), count in commands.items():
            COMMANDS.labels(service, outcome).inc(count)
        for service in dict.fromkeys(service for service, _ in commands):
            SECONDS.labels(service).observe(seconds)


def page() -> tuple[bytes, str]:
    """Return all metrics of this process, as Prometheus reads them, and their content type."""
    return generate_latest(), CONTENT_TYPE_LATEST
