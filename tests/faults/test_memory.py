"""What counts as growth. The proof itself takes minutes: ``make test-memory``."""

from __future__ import annotations

import pytest

from tests.faults.memory import MOST_GROWTH, Figures


@pytest.mark.parametrize(("resident", "grown"), [([50, 100, 109, 105], False), ([50, 100, 100, 112, 90], True)])
def test_growth_is_of_the_most_since_the_first_rounds(resident: list[int], grown: bool) -> None:
    assert (Figures(resident).growth > MOST_GROWTH) is grown
