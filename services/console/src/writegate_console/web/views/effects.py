"""What an action would do to how many commands, in the sentences by which it is confirmed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from writegate.contract.targets import Target
from writegate_console.gate.kept.actions import Action, KeptName
from writegate_console.gate.kept.search import KeptGroup
from writegate_console.gate.overview.services import ServiceRow


def of_hold(target: Target, services: Sequence[ServiceRow], domains: Mapping[str, Iterable[str]]) -> list[str]:
    """Return what a hold would stop. ``domains``: the tables of each."""
    if target.table is not None:
        touching = {domain for domain, tables in domains.items() if target.table in tables}
        names = sorted({row.service for row in services if any(lane.domain in touching for lane in row.lanes)})
        return [
            f"Commands that touch {target.table} are deferred in order. Services: {_joined(names) or 'none'}.",
            "All other commands are applied as usual.",
        ]
    service = next((row for row in services if row.service == target.service), None)
    lanes = [] if service is None else [lane for lane in service.lanes if target.lane in {None, lane.lane}]
    if target.stops_consuming:
        waiting = sum(lane.messages or 0 for lane in lanes)
        rate = sum(lane.in_per_second or 0.0 for lane in lanes)
        return [
            f"{_count(len(lanes), 'lane')} of {target.service} will not be read any more, within two seconds.",
            f"Messages that wait there now and stay in their queues: {waiting:,}. New ones a second: {rate:,.1f}.",
            "Publishers continue; when a queue is full they keep commands in their spool.",
        ]
    what = f"Commands {target.task}" if target.task else f"Commands of {target.service} with the key {target.key}"
    return [
        f"{what} will be deferred in order, within two seconds.",
        "All other commands are applied as usual; later commands of the same keys wait behind deferred ones.",
    ]


def of_release(hold: Mapping[str, object], deferred: int) -> list[str]:
    """Return what happens when a hold ends. ``deferred``: commands of the whole gate."""
    until = f", until {hold['until']:%Y-%m-%d %H:%M %Z}" if hold["until"] else ""
    return [
        f"{hold['holder']} holds it since {hold['since']:%Y-%m-%d %H:%M %Z}{until}: {hold['reason']}",
        "Messages in the queues are read again, in order, within two seconds.",
        f"Deferred in the whole gate: {_count(deferred, 'command')}; those that wait for this hold will be applied.",
    ]


def of_move(name: KeptName, action: Action, groups: Sequence[KeptGroup]) -> list[str]:
    """Return what an action on kept commands would do."""
    first, *others = _MOVES[name, action]
    return [f"{_count(total(groups), f'{name} command')} {first}", *others]


_MOVES: Mapping[tuple[KeptName, Action], Sequence[str]] = {
    ("parked", "replay"): (
        "will be tried again, in the order in which they were parked.",
        "Each is applied once; a command that fails again is parked again, with its new cause.",
    ),
    ("parked", "drop"): (
        "will be dropped for good, and never be applied.",
        "They stay readable here; commands that wait behind them are applied.",
    ),
    ("deferred", "replay"): (
        "will be tried now, each behind those of its key that were deferred before it.",
        "What they wait for still counts: a hold, a parent row, a version that no writer knows yet.",
    ),
    ("deferred", "park"): (
        "will be parked, and only be applied when somebody replays them.",
        "Commands that wait behind them are applied.",
    ),
    ("deferred", "drop"): (
        "will be dropped for good, and never be applied.",
        "They stay readable among the parked ones; commands that wait behind them are applied.",
    ),
}


def total(groups: Sequence[KeptGroup]) -> int:
    """Return how many commands there are."""
    return sum(group.commands for group in groups)


def highest(groups: Sequence[KeptGroup]) -> int:
    """Return the highest number among them, 0 when there are none."""
    return max((group.last for group in groups), default=0)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
