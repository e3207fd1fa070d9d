"""What the tests of stores do with them: commands that arrive, transactions, decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.conformance.stores import Stores
from writegate.contract.ids import ledger_id, new_id
from writegate.message.envelope import Item
from writegate.message.receipt import Cause
from writegate_writer.decide.deferral import BEGINNING, Deferral, DeferredRow
from writegate_writer.decide.store import APPLIED, PARKED, Decision, Opened, Owner, Store
from writegate_writer.receive.delivery import Arrived, Delivery, NotYet, Refused

SINCE = datetime.now(UTC).date() - timedelta(days=1)


def arrived(stores: Stores, key: str | None = "a", content: int = 1, service: str = "") -> Arrived:
    service = service or stores.service
    item = Item(new_id(), f"{service}.deposit", 1, key, b'{"n": %d}' % content)
    delivery = Delivery(service, 0, 1, 1, item.fields, {}, {})
    return Arrived(delivery, item, ledger_id(item.id), content, NotYet("it is not read here"))


def refused(command: Arrived, cause: str = "wrong", *, parks_key: bool = False) -> Refused:
    item = command.item
    return Refused(
        command.delivery, item.id, command.hash, Cause(cause, "why"), item, item.fields, command.ledger_id, parks_key
    )


def opened(store: Store, owner: Owner, stores: Stores, *commands: Arrived) -> Opened:
    return store.open(owner, stores.service, [command.ledger_id for command in commands], SINCE)


@contextmanager
def committed(store: Store, owner: Owner, stores: Stores) -> Iterator[Opened]:
    """A transaction around the block."""
    transaction = opened(store, owner, stores)
    yield transaction
    store.commit()


def decide(
    store: Store, owner: Owner, stores: Stores, applied: Sequence[Arrived] = (), parked: Sequence[Refused] = ()
) -> None:
    """Decide commands in an open transaction, as a batch does."""
    transaction = opened(store, owner, stores)
    decisions = [Decision(command.ledger_id, APPLIED, command.hash) for command in applied]
    decisions += [Decision(command.ledger_id or "", PARKED, command.hash) for command in parked]
    write(store, owner, stores, transaction, *decisions)
    if parked:
        store.park(parked, {})


def write(store: Store, owner: Owner, stores: Stores, transaction: Opened, *decisions: Decision) -> None:
    """Write decisions in an open transaction."""
    store.enter(owner, transaction, stores.service, len(decisions))
    assert store.leave_role(owner, transaction, stores.service, decisions, None)


def defer(store: Store, owner: Owner, stores: Stores, *deferrals: Deferral) -> list[DeferredRow]:
    """Defer commands in a transaction; return their rows."""
    with committed(store, owner, stores):
        store.defer(owner, deferrals)
    ids = {deferral.arrived.item.id for deferral in deferrals}
    return [row for row in store.deferred(owner, BEGINNING, 1000) if row.item.id in ids]
