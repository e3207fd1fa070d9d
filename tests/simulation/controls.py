"""Negative controls: protections switched off, by parts that are broken. The checks must notice each of them."""

# ruff: noqa: ARG002  the signatures are given by what is simulated
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from tests.simulation.consuming import CancellingChannel, HastyChannel, WaitingChannel
from tests.simulation.operator import Operator
from tests.simulation.publishing import TrustingWire
from tests.simulation.store import SimulatedStore
from tests.simulation.writers import Parts
from writegate.contract.ids import ledger_id
from writegate_writer.decide.deferral import BEGINNING, DeferredIndex, DeferredRow
from writegate_writer.decide.store import Decision, Opened, Owner, Started
from writegate_writer.errors import DatabaseFault


class ForgetfulStore(SimulatedStore):
    """Its ledger knows nothing and notes nothing."""

    def open(self, owner: Owner, service: str, ids: Sequence[str], since: date) -> Opened:
        return replace(super().open(owner, service, ids, since), known={})

    def leave_role(
        self, owner: Owner, opened: Opened, service: str, decisions: Sequence[Decision], sent: int | None
    ) -> bool:
        return super().leave_role(owner, opened, service, (), sent)


class UnfencedStore(SimulatedStore):
    """It neither locks the domain nor looks at the epoch."""

    def fence(self, owner: Owner) -> None:
        pass


class UnsuspectingStore(SimulatedStore):
    """It does not remember what was applied when a process ended."""

    def suspect(self, owner: Owner, service: str, ledger_id: str) -> int:
        return 1


class CarelessStore(SimulatedStore):
    """A new owner of a domain does not learn which keys have something deferred."""

    def start(self, owner: Owner) -> Started:
        started = super().start(owner)
        return replace(started, deferred_index=DeferredIndex(Counter({None: started.deferred_index.total})))


class OutdatedStore(SimulatedStore):
    """A writer does not learn that people have changed what is deferred since it loaded it."""

    _NEVER = 2**40  # no domain's revision is greater

    def start(self, owner: Owner) -> Started:
        started = super().start(owner)
        return replace(started, deferred_index=replace(started.deferred_index, revision=self._NEVER))

    def open(self, owner: Owner, service: str, ids: Sequence[str], since: date) -> Opened:
        return replace(super().open(owner, service, ids, since), revision=self._NEVER)


class HastyOperator(Operator):
    """Who wants a deferred command tried puts it ahead of what was deferred before it."""

    def _replay_now(self, seq: int, row: DeferredRow) -> None:
        super()._replay_now(seq, row)
        domain, state, until, _ = self._session.get("deferred", seq)
        ahead = BEGINNING + next(self._database.numbers)
        self._session.put("deferred", seq, None)
        self._session.put("deferred", ahead, (domain, state, until, replace(row, seq=ahead)))
        self._session.put("deferred id", (row.service, ledger_id(row.item.id)), (ahead, row.hash))


class BelievingStore(SimulatedStore):
    """What handlers do is not tried in parts: the SQLSTATE alone says whose fault it is."""

    def _by_handlers(self, error: DatabaseFault) -> DatabaseFault:
        return error


CONTROLS = {
    "ledger off": Parts(store=ForgetfulStore),
    "ack before commit": Parts(channel=HastyChannel),
    "confirms off": Parts(wire=TrustingWire),
    "stop by cancel": Parts(channel=CancellingChannel),
    "fence off": Parts(store=UnfencedStore),
    "crash corner off": Parts(store=UnsuspectingStore),
    "waiting keys forgotten": Parts(store=CarelessStore),
    "waits for the broker": Parts(channel=WaitingChannel),
    "revision off": Parts(store=OutdatedStore),
    "replayed ahead of its key": Parts(operator=HastyOperator),
    "trial off": Parts(store=BelievingStore),
}
