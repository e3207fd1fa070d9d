"""From a row's 32-bit ``xmin`` to the 64-bit number of its transaction, and what is known of its author. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EPOCH = 1 << 32
FIRST_NORMAL = 3  # below: bootstrap and frozen (PostgreSQL, src/include/access/transam.h)


def full_xid(xmin: int, next_xid: int) -> int | None:
    """Return the newest 64-bit transaction number before ``next_xid`` that a row shows as ``xmin``, None without one.

    A row that was frozen may be any number of epochs older: the number must be checked against something else.
    """
    if xmin < FIRST_NORMAL:
        return None
    candidate = next_xid - next_xid % EPOCH + xmin
    if candidate >= next_xid:
        candidate -= EPOCH
    return candidate if candidate >= 0 else None


@dataclass(frozen=True, slots=True)
class RowAuthor:
    """Who last wrote a row. ``batch`` is None when that is unknown.

    One or more of the batch's commands wrote it: of ``commands``, or of the ``others`` that are not listed.
    """

    xmin: int
    xid: int | None
    batch: Mapping[str, Any] | None
    commands: Sequence[str] = ()
    others: int = 0

    @property
    def summary(self) -> str:
        """One sentence about it, for people."""
        if self.batch is None:
            return (
                f"unknown: no batch that is still kept has transaction {self.xmin if self.xid is None else self.xid}. "
                "It is older than the ledger, was not written through the gate, or by a handler that uses savepoints"
            )
        commands = len(self.commands) + self.others
        return f"one or more of the {commands} commands of batch {self.batch['id']} that are in the ledger"
