"""How figures change as things grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks.place import Place


def measure_growth(place: Place, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the points."""
    raise NotImplementedError
