"""The demo's figures, for people and for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from tests.demo import report

BEFORE = report.Phase(64, 36, 4.25, 25.4219, True, 106, 25.3, extra={"retries": 36, "cut_off": 61})
AFTER = report.Phase(
    5, 0, 8845.23, 0.2346, False, 301324, 34.06, parked=1,
    extra={"longest_lag_s": 20.0, "writers_killed": 3, "broker_restarts": 1},
)  # fmt: skip


def test_programs_read_the_figures_of_both_phases(tmp_path: Path) -> None:
    report.write(tmp_path / "build/demo.json", BEFORE, AFTER)
    read = json.loads((tmp_path / "build/demo.json").read_text())
    figures = ("peak_connections", "deadlocks", "writes_per_s", "worst_wait_s", "exact")
    assert [read["before"][name] for name in figures] == [64, 36, 4.2, 25.422, True]
    assert [read["after"][name] for name in figures] == [5, 0, 8845.2, 0.235, False]
    assert [read["after"][name] for name in ("commands", "parked", "seconds")] == [301324, 1, 34.1]


def test_people_see_at_once_what_is_not_exact() -> None:
    console = Console(file=io.StringIO(), width=120)
    report.show(BEFORE, AFTER, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    (exact,) = [line for line in lines if line.startswith("│ end state exact")]
    assert [cell.strip() for cell in exact.split("│")[2:4]] == ["yes", "NO"]
