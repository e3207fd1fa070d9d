"""Which commands must wait, and what they make wait behind them. Pure.

One mechanism serves every reason: a hold, a contract version this writer does not know, a parent row that is not
there yet, a parked command whose key must wait. What waits is kept in order; while a key has something waiting,
everything of that key joins the end of its queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from writegate.contract.command import contract_of
from writegate_writer.receive.delivery import Arrived, NotYet, Refused

Key = tuple[str, str]  # service, key

# Between two passes over what waits. Where much waits a pass takes long, and others wait meanwhile: a tenth of the time
# at most goes into that.
_SWEEP_SECONDS, _PAUSE_SHARE = 1.0, 9.0


@dataclass(frozen=True, slots=True, eq=False)
class Deferral:
    """A command to be deferred. ``patience_seconds``: how long it may wait before it is parked after all."""

    one: Arrived
    reason: str
    patience_seconds: float | None = None


# Below every number of a row: what people have decided again waits ahead of all others, with numbers below zero.
BEGINNING = -(2**63)


@dataclass(slots=True)
class ReplayPass:
    """How far one pass over what waits has come, a page at a time.

    ``blocked_keys`` are the keys of which something waits on: their later commands, on later pages, wait on with it.
    ``deaths``: how many writers before this one ended in the middle of such a pass. ``seconds``: its pages took.
    """

    after: int = BEGINNING
    deaths: int = 0
    seconds: float = 0.0
    blocked_keys: set[Key] = field(default_factory=set)
    due: float = 0.0  # when the next page may be tried, of the process's clock

    def block(self, waits_on: Iterable[Arrived]) -> None:
        """These wait on."""
        self.blocked_keys.update(key for one in waits_on if (key := key_of(one)) is not None)


@dataclass(slots=True)
class DeferredIndex:
    """What waits in a domain: deferred commands by key, and keys that wait behind a parked command.

    ``revision``: of the domain when stock was taken. What people do to what waits counts it up; an account of an older
    one must not be acted on.
    """

    deferred: Counter[Key | None] = field(default_factory=Counter)
    parked: set[Key] = field(default_factory=set)
    revision: int = 0
    replay_pass: ReplayPass = field(default_factory=ReplayPass)
    total: int = 0  # commands that are deferred: asked for several times a turn, and keys may be many

    def __post_init__(self) -> None:
        self.total = self.deferred.total()

    def blocks(self, one: Arrived) -> bool:
        """Whether a newly arrived command must join a queue."""
        if not self.parked and not self.deferred:
            return False
        key = key_of(one)
        return key is not None and (key in self.parked or self.deferred[key] > 0)

    def blocks_replay(self, one: Arrived) -> bool:
        """Whether a deferred command must wait on, whatever it waited for."""
        key = key_of(one)
        return key is not None and (key in self.parked or key in self.replay_pass.blocked_keys)

    def end_replay_pass(self, now: float) -> None:
        """All of what waits was tried: begin again later."""
        self.replay_pass = ReplayPass(due=now + max(_SWEEP_SECONDS, _PAUSE_SHARE * self.replay_pass.seconds))

    def restart_replay_pass(self) -> None:
        """Try all of what waits now: something may have changed for what was tried before."""
        self.replay_pass = ReplayPass()

    def add(self, one: Arrived | Refused) -> None:
        """A command was deferred."""
        self.deferred[key_of(one)] += 1
        self.total += 1

    def remove(self, one: Arrived | Refused) -> None:
        """A deferred command was decided."""
        key = key_of(one)
        self.total -= 1
        self.deferred[key] -= 1
        if self.deferred[key] <= 0:
            del self.deferred[key]

    def park(self, one: Refused) -> None:
        """A command was parked: its key waits for it if its contract says so."""
        key = key_of(one)
        if key is not None and one.parks_key:
            self.parked.add(key)


def key_of(one: Arrived | Refused) -> Key | None:
    """Return the key under which a command waits; None when it has no key: nothing waits for it then."""
    return (one.delivery.service, one.item.key) if one.item is not None and one.item.key is not None else None


def parks_key(one: Arrived) -> bool:
    """Whether later commands of its key wait when this one is parked."""
    return not isinstance(one.command, NotYet) and contract_of(one.command).on_reject == "park_key"
