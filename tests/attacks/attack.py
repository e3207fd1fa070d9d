"""What an attack is: something done to a gate, after which the gate must be whole and a neighbour not slower."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.attacks.neighbour import Call, write_of_a_neighbour
from tests.attacks.target import Target


@dataclass(frozen=True)
class Attack:
    """One attack.

    ``run`` sends what the attacker sends, and returns when the gate has dealt with all of it. It raises
    :class:`AssertionError` when something came of it that must not, and else returns what came of it, in a few words.
    ``neighbour`` yields the call of somebody else whose latency is measured meanwhile: by default a write of another
    service through the broker.
    """

    name: str
    run: Callable[[Target], str]
    neighbour: Callable[[Target], AbstractContextManager[Call]] = write_of_a_neighbour
