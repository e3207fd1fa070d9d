"""The services of the simulation: what they publish, and what their handlers do to rows.

``bank`` is one serial domain with two lanes and a row that every command changes; ``meters`` owns its rows by key, so
its lanes are domains; ``parcels`` lives on what the bank's handlers emit. Every handler writes a line of a journal,
which is what the checks read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.simulation.database import Session
from writegate import Command, Service
from writegate.command import contract_of
from writegate_writer.emitting import emit
from writegate_writer.faults import DatabaseFault
from writegate_writer.ports import Served


class Numbered(Command):
    """``n`` counts the commands of a key as its publisher made them; ``bad`` breaks a constraint."""

    key: str
    n: int
    bad: bool = False


class Pay(Numbered, key="key"):
    """Changes the row that all share."""


class Order(Numbered, key="key"):
    """Emits a parcel."""


class Settle(Numbered, key="key", on_reject="park_key"):
    """Its followers wait behind it when it is parked."""


class Read(Numbered, key="key", on_reject="park_key"):
    """A meter's reading."""


class Tick(Numbered, key="key"):
    """A meter's other reading."""


class Ship(Numbered, key="key"):
    """A parcel is there."""

    order: str


class Track(Numbered, key="key"):
    """Refers to a parcel, which may come later."""

    order: str


BANK = Service("bank", commands=[Pay, Order, Settle], lanes=2)
METERS = Service("meters", commands=[Read, Tick], lanes=3, keys_own_rows=True)
PARCELS = Service("parcels", commands=[Ship, Track])
SERVED = {service.name: Served(service, (f"{service.name}.total",)) for service in (BANK, METERS, PARCELS)}
DOMAINS = {
    "bank": (("bank", 0), ("bank", 1)),
    "parcels": (("parcels", 0),),
    **{f"meters.{lane}": (("meters", lane),) for lane in range(METERS.lanes)},
}


def apply(session: Session, commands: Sequence[Command], fresh_id: Callable[[], str]) -> dict[str, Any]:
    """Apply commands of one type, one after the other."""
    for one in commands:
        assert isinstance(one, Numbered)
        _apply(session, one, fresh_id)
    return {}


def _apply(session: Session, one: Numbered, fresh_id: Callable[[], str]) -> None:
    contract = contract_of(one)
    journal = (contract.task, one.command_id, one.key, one.n)
    session.put("journal", next(session.database.numbers), journal)
    total = (contract.service, one.key if contract.service == METERS.name else "")
    session.lock("total", total)
    session.put("total", total, (session.get("total", total) or 0) + 1)
    if one.bad:
        raise DatabaseFault("23514", "violates check constraint")
    if isinstance(one, Ship):
        session.put("parcel", one.order, one.key)
    if isinstance(one, Track) and session.get("parcel", one.order) is None:
        raise DatabaseFault("23503", "violates foreign key constraint")
    if isinstance(one, Order):
        emit(Ship(key=one.key, n=one.n, order=one.command_id).with_id(fresh_id()), parent=one)
