"""Cutting a batch into runs: as few handler calls as order per key allows. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from writegate_writer.receive.delivery import Arrived


def runs_of(batch: Sequence[Arrived]) -> list[list[Arrived]]:
    """Return runs of one command type each, so that no key's commands change their order.

    Each command joins the first run of its type that is not before the last run of its key. Commands of different
    keys may change their order: in one service they commute or touch different rows.
    """
    if len({command.item.task for command in batch}) == 1:
        return [list(batch)]
    runs: list[list[Arrived]] = []
    of_type: dict[str, list[int]] = {}  # task → indexes of its runs, ascending
    of_key: dict[str | None, int] = {}  # key → index of the run its last command is in
    for command in batch:
        task, key = command.item.task, command.item.key
        own = of_type.setdefault(task, [])
        # Without a key no order is promised. With one, the command may not run before the last command of its key.
        earliest = of_key.get(key, 0) if key is not None else 0
        at = bisect_left(own, earliest)
        if at == len(own):
            own.append(len(runs))
            runs.append([])
        index = own[at]
        runs[index].append(command)
        of_key[key] = index
    return runs
