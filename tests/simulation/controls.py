"""Negative controls: protections switched off, by parts that are broken. The checks must notice each of them."""

# ruff: noqa: ARG002  the signatures are given by what is simulated
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from tests.simulation.consuming import CancellingChannel, HastyChannel
from tests.simulation.publishing import TrustingWire
from tests.simulation.store import SimulatedStore
from tests.simulation.writers import Parts
from writegate_writer.store import Holder, Opened


class ForgetfulStore(SimulatedStore):
    """Its ledger knows nothing and notes nothing."""

    def open(self, holder: Holder, service: str, ids: Sequence[str], since: date) -> Opened:
        return replace(super().open(holder, service, ids, since), known={})

    def enter(self, holder: Holder, opened: Opened, service: str, rows: Sequence[tuple[str, str, int]]) -> None:
        super().enter(holder, opened, service, ())


class UnfencedStore(SimulatedStore):
    """It neither locks the domain nor looks at the epoch."""

    def fence(self, holder: Holder) -> None:
        pass


CONTROLS = {
    "ledger off": Parts(store=ForgetfulStore),
    "ack before commit": Parts(channel=HastyChannel),
    "confirms off": Parts(wire=TrustingWire),
    "stop by cancel": Parts(channel=CancellingChannel),
    "fence off": Parts(store=UnfencedStore),
}
