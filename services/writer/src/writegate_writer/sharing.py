"""The share of the domains that this writer holds: claimed, kept, lost and given back.

It never decides about a command; when it is late or wrong, the fence in every transaction is what keeps a domain
serial. The database is handed in: a simulation runs this very code.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from writegate.config import Settings
from writegate_writer.domain import Domain
from writegate_writer.gate import Gate
from writegate_writer.holds import Holds
from writegate_writer.ownership import Holding, decide
from writegate_writer.ports import Consuming

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A domain that is this writer's now."""

    domain: str
    epoch: int
    lanes: tuple[tuple[str, int], ...]


class Leases(Protocol):
    """The table of domains. Each call is a transaction of its own and may raise :class:`DatabaseFault`."""

    def renew(self, writer: str, domains: Sequence[str], seconds: float) -> None:
        """Renew the leases of those that are not in the middle of a transaction, which renews them by itself."""

    def holdings(self) -> list[Holding]:
        """Return every domain."""

    def holds(self) -> Holds:
        """Return the holds in force."""

    def writers(self, seconds: float) -> int:
        """Return how many writers have used their control connections in the last ``seconds``."""

    def claim(self, writer: str, domains: Sequence[str], seconds: float) -> list[Claimed]:
        """Take those that are still free; return them."""

    def release(self, writer: str, domains: Sequence[str]) -> None:
        """Give up what of these is this writer's."""


class Sharing:
    """Keeps the domains held in this process in step with the leases in the database."""

    def __init__(
        self, settings: Settings, name: str, services: Collection[str], gate: Gate, consuming: Consuming
    ) -> None:
        self._settings = settings
        self._me = name
        self._services = services
        self._gate = gate
        self._consuming = consuming
        self._foreign: set[str] = set()  # domains with a service that is not installed here

    def tick(self, leases: Leases, *, may_claim: bool) -> None:
        """Do what is due now. ``may_claim``: whether some slot could serve a domain."""
        held = [domain.name for domain in self._gate.domains()]
        leases.renew(self._me, held, self._settings.lease_seconds)
        # What is held here is not free for us to claim, even when its lease ran out during a long transaction.
        holdings = [
            Holding(one.domain, one.owner, one.epoch, one.free and not (one.owner == self._me and one.domain in held))
            for one in leases.holdings()
            if one.domain not in self._foreign
        ]
        self._drop_lost(holdings)
        self._obey(leases.holds())
        if may_claim:
            decision = decide(self._me, leases.writers(self._settings.lease_seconds), holdings)
            if decision.release:
                self.release(leases, decision.release)
            if decision.claim:
                self._claim(leases, decision.claim)

    def release(self, leases: Leases, names: Sequence[str]) -> None:
        """Let go of domains."""
        for domain in self._gate.domains():
            if domain.name in names:
                self._let_go(domain)
                # Its batch is not cut short: the next owner would wait at the fence for it anyway.
                self._gate.wait_idle(domain, self._settings.handler_seconds)
        leases.release(self._me, names)
        log.info("domain.released", domains=names)

    def release_all(self, leases: Leases) -> None:
        """Let go of everything."""
        self.release(leases, [domain.name for domain in self._gate.domains()])

    def let_go(self) -> None:
        """Give up every domain without a word to the database, which cannot be reached: its leases have run out.

        Others own them by now, and are given nothing to consume while a channel of ours is open.
        """
        for domain in self._gate.domains():
            log.warning("domain.lost", domain=domain.name, epoch=domain.epoch)
            self._let_go(domain)

    def _drop_lost(self, holdings: list[Holding]) -> None:
        epochs = {one.domain: one.epoch for one in holdings if one.owner == self._me}
        for domain in self._gate.domains():
            if epochs.get(domain.name) != domain.epoch:
                log.warning("domain.lost", domain=domain.name, epoch=domain.epoch)
                self._let_go(domain)

    def _obey(self, holds: Holds) -> None:
        """Stop consuming held lanes, and go on with released ones. Holds on less are read in each transaction."""
        for domain in self._gate.domains():
            stopped = frozenset(lane for lane in domain.lanes if holds.on_lane(*lane))
            if self._gate.stop_lanes(domain, stopped):
                log.info("lanes.held" if stopped else "lanes.released", domain=domain.name, lanes=sorted(stopped))
                self._consuming.refresh(domain)

    def _claim(self, leases: Leases, names: Sequence[str]) -> None:
        for claimed in leases.claim(self._me, names, self._settings.lease_seconds):
            log.info("domain.claimed", domain=claimed.domain, epoch=claimed.epoch)
            unknown = {service for service, _ in claimed.lanes} - set(self._services)
            if unknown:
                # For those who have it, such as the newer writers of a deployment that is under way.
                log.error("domain.unknown_service", domain=claimed.domain, services=sorted(unknown))
                self._foreign.add(claimed.domain)
                leases.release(self._me, [claimed.domain])
                continue
            self._gate.own(Domain(claimed.domain, claimed.epoch, claimed.lanes))

    def _let_go(self, domain: Domain) -> None:
        self._gate.disown(domain)
        self._consuming.refresh(domain)
