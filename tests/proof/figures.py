"""Reading figures from what a check prints."""

from __future__ import annotations

import re
from collections.abc import Mapping

_FORMATTING = re.compile(r"\x1b\[[0-9;]*m")

Figures = dict[str, float]


def read_figures(output: str, patterns: Mapping[str, str]) -> Figures:
    """Return the figures of a check by name.

    Each pattern has one group, a number that may have commas. The last place that matches counts: progress comes
    before results. What is not found is left out: a check that failed has not printed everything.
    """
    plain = _FORMATTING.sub("", output)
    found = {name: re.findall(pattern, plain, flags=re.MULTILINE) for name, pattern in patterns.items()}
    return {name: float(numbers[-1].replace(",", "")) for name, numbers in found.items() if numbers}
