"""How long to wait before the next attempt: the one rule for everything that tries again. Pure but for the chance."""

from __future__ import annotations

import random

_MOST_DOUBLINGS = 32  # 2**32 times any first wait is longer than any limit; larger powers would only cost time


def backoff_seconds(failures: int, *, first: float, longest: float, chance: float | None = None) -> float:
    """Return how many seconds to wait after ``failures`` failures in a row (1 or more).

    The wait doubles from ``first`` up to ``longest`` seconds. A random share of its second half is left out, so that
    many processes which failed together do not return together ("equal jitter" in "Exponential Backoff And Jitter",
    AWS Architecture Blog, 2015). ``chance``, from 0 to 1, takes the place of the random number.
    """
    full = min(longest, first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
    return full * (0.5 + (random.random() if chance is None else chance) / 2)  # noqa: S311  not for security
