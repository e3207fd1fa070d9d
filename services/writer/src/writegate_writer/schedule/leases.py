"""The share of the domains that this writer holds: claimed, kept, lost and given back.

It never decides about a command; when it is late or wrong, the fence in every transaction is what keeps a domain
serial. The database is handed in: a simulation runs this very code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from writegate.config import Settings
from writegate_writer.decide.holds import Holds
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Consuming
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.schedule.shares import Holding, share_change

log = structlog.get_logger(__name__)

Lane = tuple[str, int]

# `apply` may bring a domain and this writer together while it runs: look again, but not all the time, since a look
# takes the domain from those whom it is for.
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

    def holdings(self) -> list[Holding]:
        """Return every domain."""

    def holds(self) -> Holds:
        """Return the holds in force."""

    def writers(self, seconds: float) -> int:
        """Return how many writers have control connections and used them in the last so many seconds."""

    def claim(self, writer: str, domains: Sequence[str], seconds: float) -> list[Claimed]:
        """Take those that are still free; return them."""

    def release(self, writer: str, domains: Sequence[str]) -> None:
        """Give up what of these is this writer's."""


class Sharing:
    """Keeps the domains held in this process in step with the leases in the database.

    ``together``: for each lane of the services installed here, the lanes that may touch the same rows.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        together: Mapping[Lane, Collection[Lane]],
        scheduler: DomainScheduler,
        consuming: Consuming,
    ) -> None:
        self._settings = settings
        self._me = name
        self._together = together
        self._scheduler = scheduler
        self._consuming = consuming
        # Domains that are for other writers, as this one's services are declared, and for how many ticks.
        self._foreign: dict[str, int] = {}
        self._numbers = Counter(service for service, _ in together)
        self._unreadable_holds: Mapping[str, str] = {}
        self._leaving: dict[str, Domain] = {}  # to be given up once their last turn is over

    def tick(self, leases: Leases, *, may_claim: bool) -> None:
        """Do what is due now. ``may_claim``: whether some slot could serve a domain."""
        self._foreign = {name: left - 1 for name, left in self._foreign.items() if left > 1}
        held = [*(domain.name for domain in self._scheduler.domains()), *self._leaving]
        leases.renew(self._me, held, self._settings.lease_seconds)
        # What is held here is not free for us to claim, even when its lease ran out during a long transaction.
        holdings = [
            replace(one, free=one.free and not (one.owner == self._me and one.domain in held))
            for one in leases.holdings()
            if one.domain not in self._foreign
        ]
        self._drop_lost(holdings)
        holds = leases.holds()
        self._obey(holds)
        self._tell(holdings, holds)
        if may_claim:
            decision = share_change(self._me, leases.writers(self._settings.lease_seconds), holdings)
            self._leave(decision.release)
            if decision.claim:
                self._claim(leases, decision.claim)
        self._release_idle(leases)

    def release_all(self, leases: Leases) -> None:
        """Give up everything at once, but for what a slot still works on: that lease has to run out."""
        self._leave([domain.name for domain in self._scheduler.domains()])
        self._release_idle(leases)

    def let_go(self) -> None:
        """Give up every domain without a word to the database, which cannot be reached: its leases have run out.

        Others own them by now, and are given nothing to consume while a channel of ours is open.
        """
        for domain in self._held():
            self._lose(domain)

    def _held(self) -> list[Domain]:
        return [*self._scheduler.domains(), *self._leaving.values()]

    def _leave(self, names: Collection[str]) -> None:
        """Take no further turn at these domains.

        A turn that is running is not interrupted: the next owner would wait for it at the fence anyway, and its
        acknowledgements need the channel.
        """
        for domain in self._scheduler.domains():
            if domain.name in names:
                self._scheduler.disown(domain)
                self._leaving[domain.name] = domain

    def _release_idle(self, leases: Leases) -> None:
        """Give up what was left and is at rest. That is never waited for: the other domains' leases would run out."""
        idle = [domain for domain in self._leaving.values() if not domain.busy]
        if not idle:
            return
        names = [domain.name for domain in idle]
        for domain in idle:
            self._leaving.pop(domain.name, None)
            self._consuming.refresh(domain)
        leases.release(self._me, names)
        log.info("domain.released", domains=names)

    def _drop_lost(self, holdings: list[Holding]) -> None:
        epochs = {one.domain: one.epoch for one in holdings if one.owner == self._me}
        for domain in self._held():
            if epochs.get(domain.name) != domain.epoch:
                self._lose(domain)

    def _obey(self, holds: Holds) -> None:
        """Stop consuming held lanes, and those of which too much is set aside; go on with released ones.

        Holds on less are read in each transaction.
        """
        if holds.unreadable != self._unreadable_holds:
            self._unreadable_holds = holds.unreadable
            for target, wrong in holds.unreadable.items():
                log.error("hold.unreadable", target=target, error=wrong, cure="release it, and place one that is meant")
        for domain in self._scheduler.domains():
            stopped = frozenset(lane for lane in domain.lanes if domain.overfull or holds.on_lane(*lane))
            if self._scheduler.stop_lanes(domain, stopped):
                event = ("lanes.overfull" if domain.overfull else "lanes.held") if stopped else "lanes.released"
                log.info(event, domain=domain.name, lanes=sorted(stopped))
                self._consuming.refresh(domain)

    def _tell(self, holdings: list[Holding], holds: Holds) -> None:
        """Let an idle domain know what people have done: a busy one finds out by its next transaction."""
        revisions = {one.domain: one.revision for one in holdings}
        for domain in self._scheduler.domains():
            if domain.name in revisions:
                self._scheduler.notify(domain, revisions[domain.name], holds)

    def _claim(self, leases: Leases, names: Sequence[str]) -> None:
        for claimed in leases.claim(self._me, names, self._settings.lease_seconds):
            log.info("domain.claimed", domain=claimed.domain, epoch=claimed.epoch)
            if self._is_foreign(claimed):
                self._foreign[claimed.domain] = _FOREIGN_TICKS
                leases.release(self._me, [claimed.domain])
                continue
            self._scheduler.own(Domain(claimed.domain, claimed.epoch, claimed.lanes))

    def _is_foreign(self, claimed: Claimed) -> bool:
        """Whether a domain is for other writers, such as the newer ones of a deployment that is under way."""
        unknown = {service for service, _ in claimed.lanes} - {service for service, _ in self._together}
        if unknown:
            log.error("domain.unknown_service", domain=claimed.domain, services=sorted(unknown))
            return True
        # With another number of lanes a key has another lane: this writer would take the right ones for strays.
        numbers = {service for service, number in claimed.numbers.items() if number != self._numbers[service]}
        if numbers:
            log.error("domain.other_lanes", domain=claimed.domain, services=sorted(numbers), cure="writegate plan")
            return True
        # Lanes that share rows, as the handlers here are declared, and are not in it: another may be applying them.
        apart = {other for lane in claimed.lanes for other in self._together.get(lane, ())} - set(claimed.lanes)
        if apart:
            log.error("domain.lanes_apart", domain=claimed.domain, lanes=sorted(apart), cure="writegate apply")
            return True
        return False

    def _lose(self, domain: Domain) -> None:
        log.warning("domain.lost", domain=domain.name, epoch=domain.epoch)
        if self._leaving.get(domain.name) is domain:
            self._leaving.pop(domain.name, None)  # the watchdog may have been faster
        self._scheduler.disown(domain)
        self._consuming.refresh(domain)
