"""Deferral: which commands wait, which wait behind them, and how they are tried again. Pure; on slot threads.

One mechanism serves every reason: a hold, a contract version that this writer does not know, a parent row that is not
there yet, a parked command whose key must wait. Deferred commands are kept in order; while a key has a deferred
command, every later command of that key joins the end of its queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from writegate.contract.command import contract_of
from writegate.contract.ids import ledger_id
from writegate.contract.service import Service
from writegate.errors import MalformedMessage
from writegate.message.envelope import Item
from writegate.message.receipt import Cause
from writegate_writer.receive.contracts import command_of
from writegate_writer.receive.delivery import Arrived, Delivery, NotYet, Refused
from writegate_writer.receive.verified import UNVERIFIED, Verified, reply_address

Key = tuple[str, str]  # service, key

# How long a command waits for a row that it refers to: nothing orders two services, so its parent may come later.
PARENT_WAIT_SECONDS = 600.0

# How long a command may wait for a writer that knows its version, unless a setting says otherwise; how many such ones
# of a publisher may wait in a domain; and with how many deferred ones in all they wait no longer, since the commands
# behind them would stop the lanes.
VERSION_WAIT_SECONDS = 24 * 3600.0
MOST_NEWER_COMMANDS = 5_000
CROWDED_COMMANDS = 20_000

# How long a command is tried again that fails alone, for a cause that usually passes by itself or that nothing more is
# known about: such as a row that another session has locked.
ACCUSED_WAIT_SECONDS = 30.0

# The shortest time between two passes over what is deferred, and how many times the duration of the last one: where
# much is deferred a pass takes long and arriving commands wait meanwhile, so passes get at most a tenth of the time.
_PASS_PAUSE_SECONDS, _PAUSE_FACTOR = 1.0, 9.0

# Below the number of every row. Some are below zero: they were parked before parked commands had places.
BEGINNING = -(2**63)

# Of a delivery that no channel has: what comes from the table is never acknowledged to the broker.
_NO_GENERATION = -1


@dataclass(frozen=True, slots=True, eq=False)
class Deferral:
    """A command that is to be deferred.

    ``limit_seconds``: how long it may wait before it is parked; None: without a limit. ``fails_alone``, ``at_fault``,
    ``failed``: as in :class:`Postponed`.
    """

    arrived: Arrived
    reason: str
    limit_seconds: float | None = None
    fails_alone: bool = False
    at_fault: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class DeferredRow:
    """A deferred command as the table has it.

    ``limited``: its waiting has a limit; ``overdue``: that limit is over. ``hash``: of its content as it arrived;
    people may have given it other fields since. ``parked``: its number among the parked commands, when people want a
    parked command to be decided again. ``reason``: why it waits. ``at_fault``, ``failed``: as in
    :class:`Postponed`.
    """

    seq: int
    service: str
    lane: int
    item: Item
    hash: int
    origin: str | None
    reply_to: str | None
    limited: bool
    overdue: bool
    parked: int | None = None
    newer: bool = False
    reason: str = ""
    at_fault: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class VersionWait:
    """How commands of versions that this writer does not know may wait: how long, and how many wait, by publisher."""

    seconds: float = VERSION_WAIT_SECONDS
    waiting: Mapping[str, int] = field(default_factory=dict)


def revive(row: DeferredRow, service: Service, *, crowded: bool = False) -> Arrived | Refused:
    """Return a deferred command as if it arrived now; refused when today's contract does not take it.

    It is refused as well when it has waited for too long for a writer that knows its version. ``crowded``: so much is
    deferred that such commands wait no longer.
    """
    verified = Verified(row.origin or UNVERIFIED, reply_address(row.reply_to))
    delivery = Delivery(row.service, row.lane, 0, _NO_GENERATION, b"", {}, {}, 1, verified)
    id_ = ledger_id(row.item.id)
    try:
        arrived = Arrived(delivery, row.item, id_, row.hash, command_of(row.item, service))
    except MalformedMessage as error:
        cause = Cause(error.cause, str(error))
    else:
        if not (arrived.newer and (row.overdue or crowded)):
            return arrived
        cause = Cause(
            "unknown-version", f"version {row.item.version} of {row.item.task} was known to no writer in time"
        )
    return Refused(delivery, row.item.id, row.hash, cause, row.item, row.item.fields, id_)


@dataclass(slots=True)
class ReplayPass:
    """How far a pass over the deferred commands has come, a page at a time.

    ``blocked_keys``: keys of which a command stays deferred; their later commands, on later pages, stay with it.
    ``deaths``: how many writers before this one ended during such a pass. ``seconds``: how long its pages took so far.
    """

    after: int = BEGINNING
    deaths: int = 0
    seconds: float = 0.0
    blocked_keys: set[Key] = field(default_factory=set)
    due: float = 0.0  # when the next page may be tried, on the process's monotonic clock

    def block(self, still_deferred: Iterable[Arrived]) -> None:
        """Block the keys of commands that were tried and stay deferred."""
        self.blocked_keys.update(key for command in still_deferred if (key := key_of(command)) is not None)


@dataclass(slots=True)
class DeferredIndex:
    """What waits in a domain: deferred commands counted by key, and keys that wait behind a parked command.

    ``newer``: how many commands wait for a writer that knows their version, by publisher.

    ``revision``: of the domain when this was read. Whatever people do to deferred commands increases the domain's
    revision; nothing may be decided by an index of an earlier one.
    """

    deferred: Counter[Key | None] = field(default_factory=Counter)
    parked: set[Key] = field(default_factory=set)
    revision: int = 0
    replay_pass: ReplayPass = field(default_factory=ReplayPass)
    newer: Counter[str] = field(default_factory=Counter)
    total: int = 0  # deferred commands: kept, since it is read several times a turn and there may be many keys

    def __post_init__(self) -> None:
        self.total = self.deferred.total()

    def blocks(self, arrived: Arrived) -> bool:
        """Whether a newly arrived command must wait behind others of its key."""
        if not self.parked and not self.deferred:
            return False
        key = key_of(arrived)
        return key is not None and (key in self.parked or self.deferred[key] > 0)

    def blocks_replay(self, arrived: Arrived) -> bool:
        """Whether a deferred command must stay deferred, whatever it was deferred for."""
        key = key_of(arrived)
        return key is not None and (key in self.parked or key in self.replay_pass.blocked_keys)

    def end_replay_pass(self, now: float) -> None:
        """All that is deferred was tried: begin again later."""
        pause_seconds = max(_PASS_PAUSE_SECONDS, _PAUSE_FACTOR * self.replay_pass.seconds)
        self.replay_pass = ReplayPass(due=now + pause_seconds)

    def restart_replay_pass(self) -> None:
        """Try all that is deferred now: something may have changed for what was tried before."""
        self.replay_pass = ReplayPass()

    @property
    def crowded(self) -> bool:
        """Whether so much is deferred that nothing may wait for a writer that knows its version."""
        return self.total >= CROWDED_COMMANDS

    def add(self, arrived: Arrived) -> None:
        """Count a command that was deferred."""
        self.deferred[key_of(arrived)] += 1
        self.total += 1
        if arrived.newer:
            self.newer[arrived.delivery.verified.origin] += 1

    def remove(self, part: Arrived | Refused, row: DeferredRow) -> None:
        """Count off a deferred command that was applied or parked."""
        if row.newer:
            self.newer[part.delivery.verified.origin] -= 1
        key = key_of(part)
        self.total -= 1
        self.deferred[key] -= 1
        if self.deferred[key] <= 0:
            del self.deferred[key]

    def park(self, refused: Refused) -> None:
        """Let later commands of its key wait for a parked command, if its contract declares that."""
        key = key_of(refused)
        if key is not None and refused.parks_key:
            self.parked.add(key)


@dataclass(frozen=True, slots=True)
class Postponed:
    """Why a command that fails is deferred and tried again, and for how long; None: without a limit.

    ``fails_alone``: nobody knows yet whose fault it is; else its parent row may still come. ``at_fault``: others of its
    type succeeded while it failed, for what usually passes by itself; that it fails once more says nothing about its
    type. ``failed``: it was tried, and does not wait for its version only.
    """

    reason: str
    limit_seconds: float | None = None
    fails_alone: bool = False
    at_fault: bool = False
    failed: bool = True


class Patience:
    """Whether a command that fails may still wait.

    ``rows``: of commands that are replayed, by ledger id; what has just arrived may wait. ``changed``: by their
    numbers, the rows that waited for something else until now, such as for an earlier command of their key.
    """

    def __init__(self, rows: Mapping[str, DeferredRow]) -> None:
        self._rows = rows
        self.changed: dict[int, Postponed] = {}

    def may_wait(self, arrived: Arrived, postponed: Postponed) -> bool:
        """Whether it is tried again."""
        row = self._rows.get(arrived.ledger_id)
        if row is None:
            return True
        has_limit = postponed.limit_seconds is not None
        if has_limit and row.overdue:
            return False
        is_new = (row.reason, row.at_fault, row.failed) != (postponed.reason, postponed.at_fault, postponed.failed)
        if is_new or (has_limit and not row.limited):
            self.changed[row.seq] = postponed
        return True


def key_of(part: Arrived | Refused) -> Key | None:
    """Return the key under which a command waits; None when it has none: nothing waits behind it then."""
    return (part.delivery.service, part.item.key) if part.item is not None and part.item.key is not None else None


def parks_key(arrived: Arrived) -> bool:
    """Whether later commands of its key wait when this one is parked."""
    return not isinstance(arrived.command, NotYet) and contract_of(arrived.command).on_reject == "park_key"
