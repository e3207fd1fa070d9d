"""The checks: what each runs at full size, what it runs when there is little time, and which figures it prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_NUMBER: Final = r"([\d,]+(?:\.\d+)?)"


@dataclass(frozen=True)
class Check:
    """One check: a target of the Makefile with its variables.

    ``figures``: name and pattern of each number in the output, see :func:`tests.proof.figures.read_figures`.
    """

    name: str
    full: str
    quick: str
    figures: Mapping[str, str] = field(default_factory=dict)

    def command(self, *, quick: bool) -> list[str]:
        """Return the command of a size."""
        return ["make", *(self.quick if quick else self.full).split()]


def _cell(label: str) -> str:
    """Return the pattern of a number in a table that rich prints, beside its label."""
    return rf"│ {label} +│ +{_NUMBER}"


def _column(label: str, number: int) -> str:
    """Return the pattern of a number in a column of a table that rich prints, counted from the label's."""
    return rf"│ {label} +│{'[^│]*│' * (number - 1)} +{_NUMBER}"


def _line(label: str) -> str:
    """Return the pattern of a number in a line that begins with its label."""
    return rf"^{label} +{_NUMBER}"


_PASSED: Final = {"passed": rf"{_NUMBER} passed"}
_FAULTS: Final = {
    name: _cell(name) for name in ("commands accepted", "applied", "lost", "doubled", "inverted", "deadlocks")
}

CHECKS: Final = (
    Check(
        "simulation",
        "test-simulation SEEDS=10000",
        "test-simulation SEEDS=500",
        {
            "histories": rf"{_NUMBER} histories,",
            "violations": rf"{_NUMBER} violations",
            "controls": rf"{_NUMBER} passed",
        },
    ),
    Check(
        "faults",
        "test-faults FAULTS=200 SEED=1",
        "test-faults FAULTS=4 SEED=1 CONTROLS=few",
        {"faults": rf"{_NUMBER} faults in", **_FAULTS, "controls": rf"{_NUMBER} passed"},
    ),
    Check("twin", "test-twin EXAMPLES=5000", "test-twin EXAMPLES=50", _PASSED),
    Check("values", "test-values EXAMPLES=2000", "test-values EXAMPLES=50", _PASSED),
    Check(
        "fuzz",
        "test-fuzz MESSAGES=100000",
        "test-fuzz MESSAGES=3000",
        {"applied": _line("applied"), "many, each decided": _line("many, each decided")},
    ),
    Check(
        "attacks",
        "test-attacks",
        "test-attacks SECONDS=4",
        {"held": rf"{_NUMBER} attacks of", "missed": rf"held, {_NUMBER} missed"},
    ),
    Check(
        "sqlstates",
        "test-sqlstates",
        "test-sqlstates ONLY=4",
        {"cases": rf"{_NUMBER} cases,", "missed": rf"cases, {_NUMBER} missed"},
    ),
    Check(
        "bank",
        "test-bank SECONDS=150",
        "test-bank SECONDS=10",
        {
            name: _line(name)
            for name in ("transfers_accepted", "moves_accepted", "reads_of_the_total", "connections_most")
        },
    ),
    Check(
        "memory",
        "test-memory COMMANDS=1000000",
        "test-memory COMMANDS=60000",
        {"MiB": rf"commands +{_NUMBER} MiB", "growth in percent": r"grown by (-?[\d.]+)%"},
    ),
    Check(
        "outage",
        "test-outage MINUTES=3",
        "test-outage MINUTES=0.5",
        {
            name: _line(name)
            for name in ("seconds_down", "accepted_meanwhile", "drained_seconds_after_return", "connections_most")
        },
    ),
    Check(
        "publishers",
        "test-publishers OUTAGE=60 PROCESSES=8 RATE=200",
        "test-publishers OUTAGE=6 PROCESSES=3 RATE=100",
        {"slowest call in seconds": rf"slowest call {_NUMBER} s", "commands applied": rf"{_NUMBER} commands applied"},
    ),
    Check("writers", "test-writers", "test-writers ONLY=lets_no_other_thread_run", _PASSED),
    Check(
        "bench",
        "bench QUICK=1",
        "bench SMOKE=1",
        {
            f"{system} {workload}/s": rf"{system} +{workload} +clean +{_NUMBER}/s"
            for system in ("pgbench", "writegate", "writegate-many")
            for workload in ("tpcb-1", "hot")
        },
    ),
    Check(
        "demo",
        "demo CHAOS=1",
        "demo CHAOS=1 FLIGHTS=30000 SECONDS=3",
        {
            "before (opposite lock orders)/s": _column("committed writes a second", 1),
            "before (one lock order)/s": _column("committed writes a second", 2),
            "after/s": _column("committed writes a second", 3),
            "writers killed": rf"{_NUMBER} writers killed",
            "broker restarts": rf"{_NUMBER} broker restarts",
            "parked": rf"{_NUMBER} parked",
        },
    ),
)
