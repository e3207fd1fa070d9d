"""What Prometheus is told of a writer: what it counted (:mod:`writegate_writer.counters`), and what it is now."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from writegate_writer.database.samples import FIGURES, History
from writegate_writer.schedule.backlog import Backlog
from writegate_writer.schedule.domain import Phase


class State(Collector):
    """Looks at a process when it is asked. ``info``: what it says of itself."""

    def __init__(
        self,
        info: Callable[[], Mapping[str, Any]],
        backlogs: Callable[[], Mapping[str, Backlog]],
        history: History,
        memory_bytes: int,
    ) -> None:
        self._info = info
        self._backlogs = backlogs
        self._history = history
        self._memory_bytes = memory_bytes

    def collect(self) -> Iterator[Metric]:
        yield from self._process()
        yield from self._waiting()
        yield from self._sample()

    def _process(self) -> Iterator[Metric]:
        info = self._info()
        for name, text, value in (
            ("standing_by", "1: without a connection, because the others use up the budget.", info["standing_by"]),
            ("broker_connected", "1: connected to the broker, for consuming and publishing.", info["broker"]),
            ("connections", "Connections of this writer to the database.", info["connections"]),
            ("held_bytes", "Memory that messages take which are not acknowledged.", info["held_bytes"]),
            ("held_bytes_limit", "With more than that held it reads no further.", self._memory_bytes),
            ("crowded", "1: domains wait for a slot.", info["crowded"]),
        ):
            yield GaugeMetricFamily(f"writegate_{name}", text, float(value))
        phases = Tally(domain["phase"] for domain in info["domains"].values())
        domains = GaugeMetricFamily("writegate_domains", "Domains that this writer holds.", labels=["phase"])
        for phase in Phase:
            domains.add_metric([phase.value], phases[phase.value])
        yield domains
        yield CounterMetricFamily(
            "writegate_conflicts", "Transactions ended by a fight with an outsider.", info["conflicts"]
        )

    def _waiting(self) -> Iterator[Metric]:
        messages = GaugeMetricFamily(
            "writegate_waiting_messages", "Messages that wait in this writer.", labels=["service"]
        )
        oldest = GaugeMetricFamily(
            "writegate_oldest_waiting_seconds", "How old the first of them is.", labels=["service"]
        )
        for service, backlog in self._backlogs().items():
            messages.add_metric([service], backlog.messages)
            oldest.add_metric([service], backlog.oldest_seconds)
        yield from (messages, oldest)

    def _sample(self) -> Iterator[Metric]:
        """The last sample of the whole gate; every writer tells the same."""
        for name, figure in FIGURES.items():
            kind = CounterMetricFamily if figure.counter else GaugeMetricFamily
            family = kind(figure.metric, figure.text, labels=figure.labels)
            for one in self._history.last:
                if one.name == name:
                    family.add_metric([one.labels[label] for label in figure.labels], one.value)
            yield family


def register(state: State) -> None:
    """Show it, with what is counted and what the client library knows of the process itself."""
    REGISTRY.register(state)
