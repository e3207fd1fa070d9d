"""A system: a way in which services' writes get into the database, set up and ready to be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.benchmarks.driver import Driver, all_of
from tests.benchmarks.jobs import Job, Percentiles, Report
from tests.benchmarks.place import Place


@dataclass
class Outcome:
    """A system's own report of a job. ``latency_ms``: from due to committed, where only the system itself knows it."""

    reports: list[Report]
    latency_ms: Percentiles | None = None


class Running:
    """A system that runs: load processes, and others whose cost is its own.

    ``processes``: its first processes by group, beside the servers. ``queued``: its load hands commands over and
    something else applies them, so that a run ends when all are applied. ``setting``: what a system that tries several
    settings has chosen for the job it was prepared for.
    """

    def __init__(
        self,
        drivers: Sequence[Driver],
        group: str,
        *,
        others: Mapping[str, Sequence[int]] | None = None,
        queued: bool = False,
        prepare: Callable[[Job], None] = lambda _: None,
        setting: str = "",
    ) -> None:
        self._drivers = drivers
        self._group = group
        self._others = others or {}
        self._prepare = prepare
        self.queued = queued
        self.setting = setting

    @property
    def processes(self) -> dict[str, Sequence[int]]:
        """The first processes of each group."""
        return {self._group: [driver.pid for driver in self._drivers], **self._others}

    def prepare(self, job: Job) -> None:
        """Do what a variant asks of the system itself."""
        self._prepare(job)

    def run(self, job: Job) -> Outcome:
        """Do a job."""
        return Outcome(all_of(self._drivers, job))


@dataclass(frozen=True)
class System:
    """A column of the matrix. ``workloads``: those it can do; None: all."""

    name: str
    about: str
    running: Callable[[Place], AbstractContextManager[Running]]
    workloads: tuple[str, ...] | None = None
    variants: bool = False
    """Whether the variants are measured too."""
