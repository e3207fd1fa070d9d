"""What must hold in the end: plain functions of what publishers wrote down and what the database holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tests.faults.history import History


@dataclass(frozen=True, slots=True)
class Effect:
    """A row that applying a command left. Rows are given in the order in which they were made."""

    id: str
    stream: str
    account: str
    seq: int


@dataclass(frozen=True, slots=True)
class End:
    """What is left when all has been decided."""

    effects: Sequence[Effect]
    parked: Collection[str]  # ids
    deferred: Collection[str]  # ids of what still waits
    queued: int  # messages at the broker
    deadlocks: int
    collisions: int  # times that two transactions of one domain were seen to write at once
    peak_connections: int
    budget: int


@dataclass(frozen=True)
class Verdict:
    """Figures, and what was violated: lines for people, none when everything holds."""

    accepted: int
    applied: int
    parked: int
    deferred: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    inverted: tuple[str, ...]
    deadlocks: int
    violations: tuple[str, ...]


def check(history: History, end: End) -> Verdict:
    """Compare what was accepted with what came of it."""
    applied = {effect.id for effect in end.effects}
    lost = sorted(history.accepted - applied - set(end.parked) - set(end.deferred))
    doubled = sorted(id_ for id_, times in Counter(effect.id for effect in end.effects).items() if times > 1)
    inverted = [f"{later.id} before {earlier.id}" for later, earlier in inversions(end.effects)]
    named = {
        "accepted and lost": lost,
        "applied more than once": doubled,
        "applied in another order than published": inverted,
        "applied though nobody published it": sorted(applied - set(history.calls)),
        "applied and parked": sorted(applied & set(end.parked)),
        "parked though nothing is wrong with it": sorted(_good(history, end.parked)),
        "applied though it is bad": sorted(id_ for id_ in applied if id_ in history.calls and history.calls[id_].bad),
    }
    counted = {
        "commands are still deferred": len(end.deferred),
        "messages are still at the broker": end.queued,
        "deadlocks": end.deadlocks,
        "transactions of one domain at once": end.collisions,
        "connections over the budget": max(0, end.peak_connections - end.budget),
    }
    return Verdict(
        accepted=len(history.accepted),
        applied=len(applied),
        parked=len(end.parked),
        deferred=len(end.deferred),
        lost=tuple(lost),
        doubled=tuple(doubled),
        inverted=tuple(inverted),
        deadlocks=end.deadlocks,
        violations=(
            *(f"{what}: {len(ids)}, such as {', '.join(ids[:3])}" for what, ids in named.items() if ids),
            *(f"{what}: {count}" for what, count in counted.items() if count),
        ),
    )


def inversions(effects: Iterable[Effect]) -> Iterable[tuple[Effect, Effect]]:
    """Yield pairs of one stream and account that were applied the other way round than they were published.

    Nothing overtakes a call whose fate was unknown either, so refused ones count as well. A repetition is no inversion.
    """
    last: dict[tuple[str, str], Effect] = {}
    seen: set[str] = set()
    for effect in effects:
        if effect.id in seen:
            continue
        seen.add(effect.id)
        before = last.get((effect.stream, effect.account))
        if before is not None and effect.seq < before.seq:
            yield before, effect
        else:
            last[effect.stream, effect.account] = effect


def _good(history: History, ids: Iterable[str]) -> Iterable[str]:
    return (id_ for id_ in ids if id_ not in history.calls or not history.calls[id_].bad)
