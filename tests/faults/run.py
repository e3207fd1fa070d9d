"""A run: one fault after the other, each kind by turn, and after each everything must work again by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.faults.kinds import KINDS
from tests.faults.rig import Rig


@dataclass(frozen=True)
class Injected:
    """One fault: its kind, how long it took, and how long until what was published afterwards was applied."""

    kind: str
    seconds: float
    recovery_seconds: float


def by_turn(seed: int, count: int) -> Iterator[str]:
    """Yield kinds of faults: all of them in random order, then all of them in another."""
    random = Random(seed)
    kinds: list[str] = []
    for _ in range(count):
        kinds = kinds or random.sample(sorted(KINDS), len(KINDS))
        yield kinds.pop()


def inject(rig: Rig, kinds: Sequence[str], report: Callable[[Injected], None] = lambda _: None) -> None:
    """Inject these faults, one after the other."""
    for kind in kinds:
        rig.go_on(0.0, 1.0)
        began = time.monotonic()
        KINDS[kind](rig)
        healed = time.monotonic()
        rig.probe()
        rig.assert_all_run()
        report(Injected(kind, healed - began, time.monotonic() - healed))
