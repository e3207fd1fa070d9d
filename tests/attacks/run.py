"""Trying attacks, one after the other, and what each did to a neighbour."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.attacks.attack import Attack
from tests.attacks.neighbour import Timing, percentile
from tests.attacks.target import Target
from tests.deadlines import patient

MOST_TIMES_IDLE: Final = 2.0
# Below this nobody is harmed, and the machine's own noise is as large.
HARMLESS_SECONDS: Final = patient(0.05)
SHARE: Final = 0.99
# A measurement shows what else the machine did, too: one that is too long is made again, with a new idle time.
TRIES: Final = 3


@dataclass(frozen=True)
class Tried:
    """What came of an attack. Times in seconds; ``missed``: what must not have been, if anything."""

    name: str
    idle_p99: float
    attacked_p99: float
    note: str
    missed: str = ""

    @property
    def times_idle(self) -> float:
        """How many times longer the neighbour waited."""
        return self.attacked_p99 / self.idle_p99


def try_all(target: Target, attacks: Sequence[Attack], seconds: float) -> Iterator[Tried]:
    """Try each attack; ``seconds``: how long the neighbour is timed before it, and at least meanwhile."""
    for attack in attacks:
        tried = try_attack(target, attack, seconds)
        for _ in range(TRIES - 1):
            if tried.missed != TOO_SLOW:
                break
            tried = try_attack(target, attack, seconds)
        yield tried


TOO_SLOW: Final = "the neighbour waited for too long"


def try_attack(target: Target, attack: Attack, seconds: float) -> Tried:
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
    result = Tried(attack.name, percentile(idle, SHARE), percentile(attacked, SHARE), note, missed)
    if not missed and result.attacked_p99 > max(MOST_TIMES_IDLE * result.idle_p99, HARMLESS_SECONDS):
        return Tried(result.name, result.idle_p99, result.attacked_p99, note, TOO_SLOW)
    return result
