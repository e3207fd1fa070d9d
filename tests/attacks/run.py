"""Trying attacks, one after the other, and what each did to a neighbour."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tests.attacks.attack import Attack
from tests.attacks.neighbour import Timing, percentile
from tests.attacks.target import Target
from tests.deadlines import patient


@dataclass(frozen=True)
class Bound:
    """How long a neighbour may wait: so many times as long as before, and up to ``harmless_seconds`` in any case.

    ``share`` of their calls take no longer than what is compared.
    """

    times_idle: float
    harmless_seconds: float
    share: float = 0.99

    def exceeded(self, idle_seconds: float, attacked_seconds: float) -> bool:
        """Whether a neighbour waited for too long."""
        return attacked_seconds > max(self.times_idle * idle_seconds, self.harmless_seconds)


# Below 50 ms nobody is harmed, and the machine's own noise is as large.
BOUND: Final = Bound(times_idle=2.0, harmless_seconds=patient(0.05))
# A measurement shows what else the machine did, too: one that is too long is made again, with a new idle time.
TRIES: Final = 3


@dataclass(frozen=True)
class Tried:
    """What came of an attack. ``missed``: what must not have been, if anything.

    ``idle_seconds`` and ``attacked_seconds``: what the share of the calls that is compared took at most.
    """

    name: str
    idle_seconds: float
    attacked_seconds: float
    note: str
    missed: str = ""

    @property
    def times_idle(self) -> float:
        """How many times longer the neighbour waited."""
        return self.attacked_seconds / self.idle_seconds


def try_all(target: Target, attacks: Sequence[Attack], seconds: float, bound: Bound = BOUND) -> Iterator[Tried]:
    """Try each attack; ``seconds``: how long the neighbour is timed before it, and at least meanwhile."""
    for attack in attacks:
        tried = try_attack(target, attack, seconds, bound)
        for _ in range(TRIES - 1):
            if tried.missed != TOO_SLOW:
                break
            tried = try_attack(target, attack, seconds, bound)
        yield tried


TOO_SLOW: Final = "the neighbour waited for too long"


def try_attack(target: Target, attack: Attack, seconds: float, bound: Bound = BOUND) -> Tried:
    """Try an attack once."""
    note, missed = "", ""
    idle: Sequence[float] = (0.0,)
    attacked: Sequence[float] = (0.0,)
    try:
        with attack.neighbour(target) as call:
            call()  # the first one also connects
            with Timing(call) as timing:
                time.sleep(seconds)  # the measurement itself
            idle = timing.seconds
            with Timing(call) as timing:
                until = time.monotonic() + seconds
                note = attack.run(target)
                time.sleep(max(0.0, until - time.monotonic()))
            attacked = timing.seconds
        target.check_whole()
    except AssertionError as error:
        missed = str(error) or "an assertion without a text"
    finally:
        target.decide_parked()
    result = Tried(attack.name, percentile(idle, bound.share), percentile(attacked, bound.share), note, missed)
    if not missed and bound.exceeded(result.idle_seconds, result.attacked_seconds):
        return replace(result, missed=TOO_SLOW)
    return result
