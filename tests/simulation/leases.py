"""The table of domains as the control connection uses it, on simulated tables."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation import services
from tests.simulation.database import Session
from writegate_writer.decide.holds import Holds, holds_of
from writegate_writer.schedule.shares import Ownership
from writegate_writer.schedule.sharing import Claimed


class SimulatedLeases:
    """:class:`~writegate_writer.schedule.sharing.Leases` over a simulated session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def _now(self) -> float:
        return self._session.database.schedule.now

    def renew(self, writer: str, domains: Sequence[str], seconds: float) -> None:
        def work() -> None:
            for name in domains:
                if self._session.get("domain", name)[0] == writer and self._session.lock(
                    "domain", name, skip_locked=True
                ):
                    _, epoch, _ = self._session.get("domain", name)
                    self._session.put("domain", name, (writer, epoch, self._now + seconds))

        self._session.alone("renew", work)

    def ownerships(self) -> list[Ownership]:
        def work() -> list[Ownership]:
            return [
                Ownership(
                    name, owner, epoch, owner is None or until < self._now, self._session.get("revision", name) or 0
                )
                for name, (owner, epoch, until) in self._session.rows("domain")
            ]

        found: list[Ownership] = self._session.alone("read domains", work)
        return found

    def held(self) -> Holds:
        """The holds in force, as a part of a request."""
        return holds_of(
            (target, reason)
            for target, (reason, _, _, until) in self._session.rows("hold")
            if until is None or until > self._now
        )

    def holds(self) -> Holds:
        found: Holds = self._session.alone("read holds", self.held)
        return found

    def writers(self, seconds: float) -> int:
        def work() -> int:
            sessions = self._session.database.sessions
            with_slots = {session.name.split("/")[0] for session in sessions if "/slot" in session.name}
            alive = {
                session.name.split("/")[0]
                for session in sessions
                if session.name.endswith("/control") and session.used_within(seconds)
            }
            return len(alive & with_slots)

        return int(self._session.alone("count writers", work))

    def claim(self, writer: str, domains: Sequence[str], seconds: float) -> list[Claimed]:
        def work() -> list[Claimed]:
            claimed = []
            for name in domains:
                if not self._session.lock("domain", name, skip_locked=True):
                    continue
                owner, epoch, until = self._session.get("domain", name)
                if owner is None or until < self._now:
                    self._session.put("domain", name, (writer, epoch + 1, self._now + seconds))
                    claimed.append(Claimed(name, epoch + 1, services.DOMAINS[name], {}))
            return claimed

        found: list[Claimed] = self._session.alone("claim", work)
        return found

    def release(self, writer: str, domains: Sequence[str]) -> None:
        def work() -> None:
            for name in domains:
                if self._session.get("domain", name)[0] == writer:
                    self._session.lock("domain", name)
                    owner, epoch, _ = self._session.get("domain", name)
                    if owner == writer:
                        self._session.put("domain", name, (None, epoch, float("-inf")))

        self._session.alone("release", work)
