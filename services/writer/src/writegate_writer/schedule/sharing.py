"""The share of the domains that this writer holds: claimed, kept, lost and given back.

It never decides about a command; when it is late or wrong, the fence in every transaction still keeps a domain serial.
The database is handed in: a simulation runs this very code.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from writegate.config import Settings
from writegate_writer.decide.holds import Holds
from writegate_writer.decide.trial import Undecided
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Consuming
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.schedule.shares import Ownership, share_change

log = structlog.get_logger(__name__)

Lane = tuple[str, int]

# `apply` may change a domain so that this writer can serve it: try again, but seldom, since a claim keeps the domain
# from the writers that it is for.
_FOREIGN_TICKS = 20


@dataclass(frozen=True, slots=True)
class Claimed:
    """A domain that is this writer's now. ``numbers``: how many lanes its services have, here and in other domains."""

    domain: str
    epoch: int
    lanes: tuple[tuple[str, int], ...]
    numbers: Mapping[str, int]


class Leases(Protocol):
    """The table of domains. Each call is a transaction of its own and may raise :class:`DatabaseFault`."""

    def renew(self, writer: str, domains: Sequence[str], seconds: float) -> None:
        """Renew the leases of those that are not in the middle of a transaction, which renews them by itself."""

    def ownerships(self) -> list[Ownership]:
        """Return every domain."""

    def holds(self) -> Holds:
        """Return the holds in force."""

    def writers(self, seconds: float) -> int:
        """Return how many writers can serve domains: with a slot, and a control connection used so lately."""

    def claim(self, writer: str, domains: Sequence[str], seconds: float) -> list[Claimed]:
        """Take those that are still free; return them."""

    def release(self, writer: str, domains: Sequence[str]) -> None:
        """Give up what of these is this writer's."""


class Sharing:
    """Keeps the domains held in this process in step with the leases in the database.

    ``declared_lanes``: for each lane of the services installed here, the lanes that may touch the same rows.
    ``parked_full``: whether so much of a service is parked that it is not consumed.

    Everything here is the control thread's, except :meth:`let_go`, which the watchdog's thread also calls while the
    control thread waits for a silent server. Both change ``_giving_up``: it is read and changed under its lock only,
    and nothing is called while that is held.
    """

    def __init__(  # noqa: PLR0913, PLR0917  its parts
        self,
        settings: Settings,
        name: str,
        declared_lanes: Mapping[Lane, Collection[Lane]],
        scheduler: DomainScheduler,
        consuming: Consuming,
        parked_full: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._settings = settings
        self._me = name
        self._declared_lanes = declared_lanes
        self._scheduler = scheduler
        self._consuming = consuming
        self._parked_full = parked_full
        # Domains that are for other writers, as this one's services are declared, and for how many ticks.
        self._foreign: dict[str, int] = {}
        self._numbers = Counter(service for service, _ in declared_lanes)
        self._unreadable_holds: Mapping[str, str] = {}
        # Of domains that this process has given up: what it found out counts on, should it own them again.
        self._undecided: dict[str, Undecided] = {}
        self._giving_up: dict[str, Domain] = {}  # to be given up once their last turn is over
        self._giving_up_lock = threading.Lock()

    def tick(self, leases: Leases, *, may_claim: bool) -> None:
        """Do what is due now. ``may_claim``: whether some slot could serve a domain."""
        self._foreign = {name: left - 1 for name, left in self._foreign.items() if left > 1}
        held = [domain.name for domain in self._held()]
        leases.renew(self._me, held, self._settings.lease_seconds)
        # What is held here is not free for us to claim, even when its lease ran out during a long transaction.
        ownerships = [
            replace(ownership, free=ownership.free and not (ownership.owner == self._me and ownership.domain in held))
            for ownership in leases.ownerships()
            if ownership.domain not in self._foreign
        ]
        self._drop_lost(ownerships)
        holds = leases.holds()
        self._stop_held_lanes(holds)
        self._notify(ownerships, holds)
        if may_claim:
            change = share_change(self._me, leases.writers(self._settings.lease_seconds), ownerships)
            self._give_up(change.release)
            if change.claim:
                self._claim(leases, change.claim, holds)
        self._release_idle(leases)

    def release_all(self, leases: Leases) -> None:
        """Give up everything at once, but for what a slot still works on: that lease has to run out."""
        self._give_up([domain.name for domain in self._scheduler.domains()])
        self._release_idle(leases)

    def let_go(self) -> None:
        """Give up every domain without writing that down, since the database cannot be reached. From any thread.

        The leases have run out, so other writers own the domains by now; but the broker gives them nothing to consume
        while a channel of this writer is open.
        """
        for domain in self._held():
            self._lose(domain)

    def _held(self) -> list[Domain]:
        with self._giving_up_lock:
            giving_up = list(self._giving_up.values())
        return list(dict.fromkeys((*self._scheduler.domains(), *giving_up)))

    def _give_up(self, names: Collection[str]) -> None:
        """Take no further turn at these domains.

        A turn that is running is not interrupted: the next owner would wait for it at the fence anyway, and its
        acknowledgements need the channel.
        """
        for domain in self._scheduler.domains():
            if domain.name in names:
                with self._giving_up_lock:
                    self._giving_up[domain.name] = domain
                self._scheduler.disown(domain)

    def _release_idle(self, leases: Leases) -> None:
        """Release the domains being given up that are in no turn any more.

        A turn is not waited for: meanwhile the leases of the other domains would run out.
        """
        with self._giving_up_lock:
            giving_up = list(self._giving_up.values())
        idle = [domain for domain in giving_up if not domain.busy and self._remove_giving_up(domain)]
        if not idle:
            return
        names = [domain.name for domain in idle]
        for domain in idle:
            self._consuming.refresh(domain)
            self._undecided[domain.name] = domain.undecided
        leases.release(self._me, names)
        log.info("domain.released", domains=names)

    def _drop_lost(self, ownerships: list[Ownership]) -> None:
        epochs = {ownership.domain: ownership.epoch for ownership in ownerships if ownership.owner == self._me}
        for domain in self._held():
            if epochs.get(domain.name) != domain.epoch:
                self._lose(domain)

    def _stop_held_lanes(self, holds: Holds) -> None:
        """Stop consuming held lanes, and those with too much deferred or parked; go on with released ones.

        Holds on less than a lane are read in each transaction.
        """
        if holds.unreadable != self._unreadable_holds:
            self._unreadable_holds = holds.unreadable
            for target, wrong in holds.unreadable.items():
                log.error("hold.unreadable", target=target, error=wrong, cure="release it, and place one that is meant")
        for domain in self._scheduler.domains():
            self._stop_lanes(domain, holds)

    def _stop_lanes(self, domain: Domain, holds: Holds) -> None:
        overfull = frozenset(
            (service, lane) for service, lane in domain.lanes if domain.deferred_full or self._parked_full(service)
        )
        stopped = overfull | {lane for lane in domain.lanes if holds.on_lane(*lane)}
        if self._scheduler.stop_lanes(domain, stopped):
            event = ("lanes.overfull" if overfull else "lanes.held") if stopped else "lanes.released"
            log.info(event, domain=domain.name, lanes=sorted(stopped))
            self._consuming.refresh(domain)

    def _notify(self, ownerships: list[Ownership], holds: Holds) -> None:
        """Pass on to idle domains what people have done; a busy one finds out in its next transaction."""
        revisions = {ownership.domain: ownership.revision for ownership in ownerships}
        for domain in self._scheduler.domains():
            if domain.name in revisions:
                self._scheduler.notify(domain, revisions[domain.name], holds)

    def _claim(self, leases: Leases, names: Sequence[str], holds: Holds) -> None:
        for claimed in leases.claim(self._me, names, self._settings.lease_seconds):
            log.info("domain.claimed", domain=claimed.domain, epoch=claimed.epoch)
            if self._is_foreign(claimed):
                self._foreign[claimed.domain] = _FOREIGN_TICKS
                leases.release(self._me, [claimed.domain])
                continue
            undecided = self._undecided.pop(claimed.domain, None)
            domain = Domain(claimed.domain, claimed.epoch, claimed.lanes, undecided)
            self._stop_lanes(domain, holds)  # before a slot can start it: none of what is held is consumed meanwhile
            self._scheduler.own(domain)

    def _is_foreign(self, claimed: Claimed) -> bool:
        """Whether a domain is for other writers, such as the newer ones of a deployment that is under way."""
        unknown = {service for service, _ in claimed.lanes} - {service for service, _ in self._declared_lanes}
        if unknown:
            log.error("domain.unknown_service", domain=claimed.domain, services=sorted(unknown))
            return True
        # With another number of lanes a key has another lane: this writer would forward what is in the right one.
        numbers = {service for service, number in claimed.numbers.items() if number != self._numbers[service]}
        if numbers:
            log.error("domain.other_lanes", domain=claimed.domain, services=sorted(numbers), cure="writegate plan")
            return True
        # Lanes that share rows, as the handlers here are declared, and are not in it: another may be applying them.
        apart = {other for lane in claimed.lanes for other in self._declared_lanes.get(lane, ())} - set(claimed.lanes)
        if apart:
            log.error("domain.lanes_apart", domain=claimed.domain, lanes=sorted(apart), cure="writegate apply")
            return True
        return False

    def _lose(self, domain: Domain) -> None:
        log.warning("domain.lost", domain=domain.name, epoch=domain.epoch)
        self._remove_giving_up(domain)
        self._scheduler.disown(domain)
        self._consuming.refresh(domain)

    def _remove_giving_up(self, domain: Domain) -> bool:
        """Return whether it was being given up until now; the other thread may have been first."""
        with self._giving_up_lock:
            if self._giving_up.get(domain.name) is not domain:
                return False
            del self._giving_up[domain.name]
            return True
