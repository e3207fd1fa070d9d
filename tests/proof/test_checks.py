"""The declared checks: what they run is there, and their figures are read from what they print."""

from __future__ import annotations

import re

import pytest

from tests.proof.checks import CHECKS
from tests.proof.commands import MAKEFILE
from tests.proof.figures import read_figures

SAMPLES = {
    "simulation": (
        "10,000 histories, 736,500 commands accepted, 0 violations\n===== 14 passed, 5 deselected in 19.20s =====",
        {"histories": 10000, "violations": 0, "controls": 14},
    ),
    "faults": (
        ("│ commands accepted                  │ 12,345  │\n│ applied                            │ 12,300  │\n"
        "│ lost                               │ 0       │\n200 faults in 3011 s, seed 1.\n= 5 passed in 200.00s ="),
        {"commands accepted": 12345, "applied": 12300, "lost": 0, "faults": 200, "controls": 5},
    ),
    "fuzz": (
        "applied                             40,123\nmany, each decided                   1,002\n",
        {"applied": 40123, "many, each decided": 1002},
    ),
    "memory": (
        ("      50,000 commands    118.0 MiB\n   1,000,000 commands    125.4 MiB\n"
        "connections cut 20 times; grown by 6.2%\n"),
        {"MiB": 125.4, "growth in percent": 6.2},
    ),
    "publishers": (
        "{'confirmed': 9} slowest call 1.10 s, 104000 commands applied 11.0 s after the broker was back",
        {"slowest call in seconds": 1.1, "commands applied": 104000},
    ),
    "bench": (
        ("  1.0 min  round 1  writegate       tpcb-1   clean        13,001/s\n"
        "  2.0 min  round 2  writegate       tpcb-1   clean        14,002/s\n"
        "  2.1 min  round 2  writegate-many  hot      clean        52,003/s\n"),
        {"writegate tpcb-1/s": 14002, "writegate-many hot/s": 52003},
    ),
    "demo": (
        ("│ committed writes a second │ 5 │ 1,625 │ \x1b[1m7,554\x1b[0m │\n"
        "0 parked; 3 writers killed and 1 broker restarts"),
        {
            "before (opposite lock orders)/s": 5, "before (one lock order)/s": 1625, "after/s": 7554,
            "parked": 0, "writers killed": 3, "broker restarts": 1,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_figures_are_read_from_what_a_check_prints(name: str) -> None:
    [check] = [check for check in CHECKS if check.name == name]
    output, expected = SAMPLES[name]
    assert read_figures(output, check.figures) == expected


def test_a_check_that_printed_nothing_has_no_figures() -> None:
    assert [read_figures("Traceback", check.figures) for check in CHECKS] == [{}] * len(CHECKS)


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
def test_a_check_runs_a_target_with_variables_that_the_makefile_has(quick: bool) -> None:
    makefile = MAKEFILE.read_text()
    for check in CHECKS:
        _, target, *variables = check.command(quick=quick)
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{check.name}: no target {target}"
        for variable in variables:
            name = variable.partition("=")[0]
            assert re.search(rf"[( ]{name}\)", makefile), f"{check.name}: the Makefile has no variable {name}"
