"""What an action would do to how many, in the words in which it is confirmed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from writegate.contract.targets import Target
from writegate_console.gate.parked.search import Group
from writegate_console.gate.service_rows import ServiceRow


def of_hold(target: Target, services: Sequence[ServiceRow], domains: Mapping[str, Iterable[str]]) -> list[str]:
    """Return what a hold would stop. ``domains``: the tables of each."""
    if target.table is not None:
        touching = {domain for domain, tables in domains.items() if target.table in tables}
        who = sorted({one.service for one in services if any(lane.domain in touching for lane in one.lanes)})
        return [
            f"Commands that touch {target.table} are set aside in order; they are of {_listed(who) or 'no service'}.",
            "All other commands go on.",
        ]
    service = next((one for one in services if one.service == target.service), None)
    lanes = [] if service is None else [one for one in service.lanes if target.lane in {None, one.lane}]
    if target.stops_consuming:
        waiting = sum(one.messages or 0 for one in lanes)
        rate = sum(one.in_per_second or 0.0 for one in lanes)
        return [
            f"{_number(len(lanes), 'lane')} of {target.service} stop being read, within two seconds.",
            f"{_number(waiting, 'message')} wait there now and stay in their queues; {rate:,.1f} come in a second.",
            "Publishers go on; when a queue is full they keep commands in their spool.",
        ]
    what = f"Commands {target.task}" if target.task else f"Commands of {target.service} with the key {target.key}"
    return [
        f"{what} are set aside in order, within two seconds.",
        "All other commands go on; later commands of the same keys wait behind those that are set aside.",
    ]


def of_release(hold: Mapping[str, object], deferred: int) -> list[str]:
    """Return what the end of a hold brings."""
    until = f", until {hold['until']:%Y-%m-%d %H:%M %Z}" if hold["until"] else ""
    return [
        f"{hold['holder']} holds it since {hold['since']:%Y-%m-%d %H:%M %Z}{until}: {hold['reason']}",
        "What waited in queues is read again, in order, within two seconds.",
        f"Set aside in the whole gate: {_number(deferred, 'command')}; those that wait for this hold will be applied.",
    ]


def of_replay(groups: Sequence[Group]) -> list[str]:
    """Return what a replay would do."""
    return [
        f"{_number(total(groups), 'parked command')} will be decided again, in the order in which they were parked.",
        "What is applied is applied once; what fails again is parked again, with its new cause.",
    ]


def of_drop(groups: Sequence[Group]) -> list[str]:
    """Return what dropping would do."""
    return [
        f"{_number(total(groups), 'parked command')} will be given up for good, and never be applied.",
        "They stay readable here; what waits behind them goes on.",
    ]


def total(groups: Sequence[Group]) -> int:
    """Return how many commands there are."""
    return sum(one.commands for one in groups)


def highest(groups: Sequence[Group]) -> int:
    """Return the highest number among them, 0 when there are none."""
    return max((one.last for one in groups), default=0)


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
