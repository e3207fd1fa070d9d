"""Metrics of a writer's present state, read when Prometheus asks. Its counters: :mod:`writegate_writer.counters`."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from writegate_writer.database.samples import SAMPLE_METRICS, Samples
from writegate_writer.schedule.backlog import Backlog
from writegate_writer.schedule.domain import Phase


class State(Collector):
    """Reads the state of a process, on a thread of the health server. ``info``: :meth:`Process.info`."""

    def __init__(
        self,
        info: Callable[[], Mapping[str, Any]],
        backlogs: Callable[[], Mapping[str, Backlog]],
        samples: Samples,
        memory_bytes: int,
    ) -> None:
        self._info = info
        self._backlogs = backlogs
        self._samples = samples
        self._memory_bytes = memory_bytes

    def collect(self) -> Iterator[Metric]:
        yield from self._process()
        yield from self._waiting()
        yield from self._sample()

    def _process(self) -> Iterator[Metric]:
        info = self._info()
        for name, text, value in (
            (
                "standing_by",
                "1: without a database connection, because other writers use up the budget.",
                info["standing_by"],
            ),
            ("broker_connected", "1: connected to the broker, for consuming and for publishing.", info["broker"]),
            ("connections", "Database connections of this writer.", info["connections"]),
            ("held_bytes", "Bytes of memory that unacknowledged messages take.", info["held_bytes"]),
            (
                "held_bytes_limit",
                "The writer reads no further messages while it holds more bytes than this.",
                self._memory_bytes,
            ),
            ("crowded", "1: some domain with work waits for a free slot.", info["crowded"]),
        ):
            yield GaugeMetricFamily(f"writegate_{name}", text, float(value))
        phases = Tally(domain["phase"] for domain in info["domains"].values())
        domains = GaugeMetricFamily("writegate_domains", "Domains that this writer holds, by phase.", labels=["phase"])
        for phase in Phase:
            domains.add_metric([phase.value], phases[phase.value])
        yield domains
        yield CounterMetricFamily(
            "writegate_conflicts",
            "Transactions that ended because of a lock conflict with another database user.",
            info["conflicts"],
        )

    def _waiting(self) -> Iterator[Metric]:
        messages = GaugeMetricFamily(
            "writegate_waiting_messages", "Messages waiting in this writer.", labels=["service"]
        )
        oldest = GaugeMetricFamily(
            "writegate_oldest_waiting_seconds", "Age of the oldest waiting message.", labels=["service"]
        )
        for service, backlog in self._backlogs().items():
            messages.add_metric([service], backlog.messages)
            oldest.add_metric([service], backlog.oldest_seconds)
        yield from (messages, oldest)

    def _sample(self) -> Iterator[Metric]:
        """The last sample of the whole gate: the same from every writer."""
        for name, metric in SAMPLE_METRICS.items():
            kind = CounterMetricFamily if metric.counter else GaugeMetricFamily
            family = kind(metric.metric, metric.text, labels=metric.labels)
            for sample in self._samples.last:
                if sample.name == name:
                    family.add_metric([sample.labels[label] for label in metric.labels], sample.value)
            yield family


def register(state: State) -> None:
    """Add it to the default registry, beside the counters and the client library's own metrics of the process."""
    REGISTRY.register(state)
