"""The services of the simulation: what they publish, and what their handlers do to rows.

``bank`` is one serial domain with two lanes and a row that every command changes; ``meters`` owns its rows by key, so
its lanes are domains; ``parcels`` lives on what the bank's handlers emit. Every handler writes a line of a journal,
which is what the checks read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from tests.simulation.database import Session
from writegate import Command, Service
from writegate.contract.command import contract_of, key_of
from writegate_writer.errors import FOREIGN_KEY_VIOLATION, DatabaseFault, Decline, Reject
from writegate_writer.handlers.declining import Untouched
from writegate_writer.handlers.emit import emit
from writegate_writer.schedule.ports import Served

# What a trigger raises for one command: what nobody knows, what is likely to be a deployment's, and the database's.
RAISED = {"raises P0001": "P0001", "raises 42501": "42501", "raises 40001": "40001"}


class Numbered(Command):
    """``n`` counts the commands of a key as its publisher made them; ``bad``: what is wrong with it, if anything."""

    key: str
    n: int
    bad: Literal[
        "", "breaks a constraint", "is wrong", "is declined", "kills", "raises P0001", "raises 42501", "raises 40001"
    ] = ""


class Pay(Numbered, key="key"):
    """Changes the row that all share."""


class Order(Numbered, key="key"):
    """Emits a parcel."""


class Settle(Numbered, key="key", on_reject="park_key"):
    """Its followers wait behind it when it is parked."""


class Note(Numbered):
    """Without a key, as far as the gate knows."""


class Read(Numbered, key="key", on_reject="park_key"):
    """A meter's reading."""


class Tick(Numbered, key="key", version=2):
    """A meter's other reading."""


class FormerTick(Numbered, key="key", name="tick"):
    """What it was before."""


class Ship(Numbered, key="key"):
    """A parcel is there."""

    order: str


class Track(Numbered, key="key"):
    """Refers to a parcel, which may come later."""

    order: str


BANK = Service("bank", commands=[Pay, Order, Settle, Note], lanes=2)
METERS = Service("meters", commands=[Read, Tick], lanes=3, keys_own_rows=True)
PARCELS = Service("parcels", commands=[Ship, Track])
FORMER_METERS = Service("meters", commands=[Read, FormerTick], lanes=METERS.lanes, keys_own_rows=True)


def _served(service: Service) -> Served:
    return Served(service, dict.fromkeys(service.commands, (f"{service.name}.total",)))


SERVED = {service.name: _served(service) for service in (BANK, METERS, PARCELS)}
FORMERLY_SERVED = {**SERVED, METERS.name: _served(FORMER_METERS)}
DOMAINS = {
    "bank": (("bank", 0), ("bank", 1)),
    "parcels": (("parcels", 0),),
    **{f"meters.{lane}": (("meters", lane),) for lane in range(METERS.lanes)},
}


def apply(session: Session, commands: Sequence[Command], fresh_id: Callable[[], str]) -> dict[str, Any]:
    """Apply commands of one type, one after the other.

    What is declined was applied first; without a key it is declined before, with nothing to undo.
    """
    numbered = [command for command in commands if isinstance(command, Numbered)]
    if reasons := {command.command_id: "it is wrong" for command in numbered if command.bad == "is wrong"}:
        raise Reject(reasons)
    untouched = {
        command.command_id: Untouched("no")
        for command in numbered
        if command.bad == "is declined" and key_of(command) is None
    }
    for command in numbered:
        if command.command_id not in untouched:
            _apply(session, command, fresh_id)
    declined = {command.command_id: "no" for command in numbered if command.bad == "is declined"}
    if declined.keys() > untouched.keys():
        raise Decline({id_: reason for id_, reason in declined.items() if id_ not in untouched})
    return untouched


def _apply(session: Session, command: Numbered, fresh_id: Callable[[], str]) -> None:
    contract = contract_of(command)
    journal = (contract.task, command.command_id, key_of(command), command.n)
    session.put("journal", next(session.database.numbers), journal)
    total = (contract.service, command.key if contract.service == METERS.name else "")
    session.lock("total", total)
    session.put("total", total, (session.get("total", total) or 0) + 1)
    if command.bad == "breaks a constraint":
        raise DatabaseFault("23514", "violates check constraint")
    if command.bad in RAISED:
        raise DatabaseFault(RAISED[command.bad], "raised by a trigger")
    if isinstance(command, Ship):
        session.put("parcel", command.order, command.key)
    if isinstance(command, Track) and session.get("parcel", command.order) is None:
        raise DatabaseFault(FOREIGN_KEY_VIOLATION, "violates foreign key constraint")
    if isinstance(command, Order):
        emit(Ship(key=command.key, n=command.n, order=command.command_id).with_id(fresh_id()), parent=command)
