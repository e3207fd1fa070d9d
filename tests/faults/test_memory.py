"""What counts as growth, and a run in small form. The proof itself takes minutes: ``make test-memory``."""

from __future__ import annotations

import pytest

from tests.faults.memory import MOST_GROWTH, Figures, run
from tests.servers import Servers


@pytest.mark.parametrize(("resident", "grown"), [([50, 100, 109, 105], False), ([50, 100, 100, 112, 90], True)])
def test_growth_is_of_the_most_since_the_first_rounds(resident: list[int], grown: bool) -> None:
    assert (Figures(resident).growth > MOST_GROWTH) is grown


@pytest.mark.slow
def test_a_writer_whose_connections_are_cut_applies_everything(servers: Servers) -> None:
    figures = run(servers, commands=3000, rounds=3)
    assert figures.cuts == 3
    assert len(figures.resident) == 3
    assert figures.growth < 1.0, "so few commands are all warming up, but they do not double it"
