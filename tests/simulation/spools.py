"""The disk of a publisher: it keeps what it took when its process ends."""

from __future__ import annotations

from collections.abc import Sequence

from writegate.message.topology import Route
from writegate.publishing.spool import Entry


class SimulatedSpool:
    """What :class:`writegate.publishing.spool.Spool` is, in memory. Its promises are tested on a real disk."""

    def __init__(self, limit: int) -> None:
        self._limit = limit  # in commands
        self._entries: dict[int, Entry] = {}
        self._seq = 0

    def __len__(self) -> int:
        return len(self._entries)

    def lanes(self) -> list[Route]:
        return list(dict.fromkeys(entry.route for entry in self._entries.values()))

    def append(self, groups: Sequence[Sequence[Entry]]) -> int:
        count = 0
        for group in groups:
            if len(self._entries) + len(group) > self._limit:
                break
            count += 1
            for entry in group:
                self._seq += 1
                self._entries[self._seq] = entry
        return count

    def why_full(self) -> str:
        return "full"

    def read(self, route: Route, limit: int) -> list[tuple[int, Entry]]:
        return [(seq, entry) for seq, entry in self._entries.items() if entry.route == route][:limit]

    def remove(self, route: Route, up_to: int) -> bool:
        self._entries = {seq: entry for seq, entry in self._entries.items() if entry.route != route or seq > up_to}
        return any(entry.route == route for entry in self._entries.values())

    def adopt(self) -> bool:
        return False
