"""The demo's figures, for people and for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from tests.demo import report

OPPOSITE = report.Phase(64, 36, 4.25, 25.4219, True, 106, 25.3, extra={"retries": 36, "cut_off": 61})
ONE_ORDER = report.Phase(64, 0, 1769.046, 0.2, True, 44226, 25.0, extra={"retries": 0, "cut_off": 0})
AFTER = report.Phase(
    5, 0, 8845.23, 0.2346, False, 301324, 34.06, parked=1,
    extra={"longest_lag_s": 20.0, "writers_killed": 3, "broker_restarts": 1},
)  # fmt: skip
PHASES = report.Phases(OPPOSITE, ONE_ORDER, AFTER)


def test_programs_read_the_figures_of_all_phases(tmp_path: Path) -> None:
    report.write(tmp_path / "build/demo.json", PHASES)
    read = json.loads((tmp_path / "build/demo.json").read_text())
    figures = ("peak_connections", "deadlocks", "writes_per_s", "worst_wait_s", "exact")
    assert [read["before"][name] for name in figures] == [64, 36, 4.2, 25.422, True]
    assert [read["before_one_lock_order"][name] for name in figures] == [64, 0, 1769.0, 0.2, True]
    assert [read["after"][name] for name in figures] == [5, 0, 8845.2, 0.235, False]
    assert [read["after"][name] for name in ("commands", "parked", "seconds")] == [301324, 1, 34.1]


def shown(phases: report.Phases) -> list[str]:
    console = Console(file=io.StringIO(), width=160)
    report.show(phases, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def cells(lines: list[str], row: str) -> list[str]:
    [line] = [line for line in lines if line.startswith(f"│ {row}  ")]
    return [cell.strip() for cell in line.split("│")[2:5]]


def test_people_see_at_once_what_is_not_exact() -> None:
    assert cells(shown(PHASES), "end state exact") == ["yes", "yes", "NO"]


def test_people_see_the_fair_comparison_first() -> None:
    lines = shown(PHASES)
    assert lines[0].startswith("The fair comparison is with one lock order: the gate commits 5.0 times as many")
    assert "before (opposite lock orders)" in lines[2] + lines[3]
    assert cells(lines, "committed writes") == ["106", "44,226", "301,324"]


def test_a_phase_without_a_write_can_be_shown() -> None:
    nothing = report.Phase(64, 0, 0.0, 25.0, True, 0, 25.0)
    assert cells(shown(report.Phases(nothing, nothing, AFTER)), "committed writes") == ["0", "0", "301,324"]
