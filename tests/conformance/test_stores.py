"""What every store does alike: PostgreSQL's, the simulated one, and the one of the test kit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pydantic_core import to_json

from tests.conformance.store_calls import arrived, committed, decide, defer, opened, refused, write
from tests.conformance.stores import (
    BATCHES,
    FENCE,
    FIRST,
    HOLDS,
    KINDS,
    LIMITS,
    OUTBOX,
    RECEIPTS,
    REMOVALS,
    SECOND,
    SUSPECTS,
    WITHOUT,
    Stores,
)
from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from writegate.contract.ids import new_id
from writegate.message.envelope import Item
from writegate.message.receipt import Cause
from writegate_devkit.stack.readiness import wait_until
from writegate_writer.decide.deferral import BEGINNING, Deferral, Postponed
from writegate_writer.decide.store import APPLIED, DECLINED, PARKED, Decision, Known, Outgoing, Owner, Store
from writegate_writer.errors import DatabaseFault, Fault

pytestmark = pytest.mark.filterwarnings("error")
DEADLINE_SECONDS = patient(30)


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_stores") as running:
        yield running


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each test once for each kind of store that has what it needs."""
    if "stores" in metafunc.fixturenames:
        needs = metafunc.definition.get_closest_marker("needs")
        kinds = [kind for kind in KINDS if needs is None or needs.args[0] not in WITHOUT[kind]]
        metafunc.parametrize("stores", kinds, indirect=True)


@pytest.fixture
def stores(request: pytest.FixtureRequest, gate: Gate) -> Iterator[Stores]:
    with KINDS[request.param](gate) as opened:
        yield opened


@pytest.fixture
def store(stores: Stores) -> Store:
    return stores.connect()


@pytest.fixture
def owner(stores: Stores) -> Owner:
    return stores.owner


def test_an_empty_database_has_nothing_left(store: Store, owner: Owner) -> None:
    started, rows = store.start(owner), store.deferred(owner, BEGINNING, 10)
    assert (started.leftovers, started.deferred_index.total, started.deferred_index.parked, rows) == ([], 0, set(), [])
    store.check_owned(owner)


@pytest.mark.needs(FENCE)
def test_the_fence_lets_only_the_newest_epoch_pass(store: Store, owner: Owner, stores: Stores) -> None:
    with committed(store, owner, stores):
        pass
    successor = stores.take_over(SECOND)
    assert successor.epoch > owner.epoch
    calls: list[Callable[[], object]] = [
        lambda: store.start(owner),
        lambda: store.check_owned(owner),
        lambda: opened(store, owner, stores),
        lambda: store.delete_sent(owner, 1),
    ]
    for call in calls:
        with pytest.raises(DatabaseFault) as raised:
            call()
        assert raised.value.sqlstate == "WG001"
        store.roll_back()
    with committed(stores.connect(), successor, stores):
        pass


def test_decided_ids_are_known_with_their_outcome_and_hash(store: Store, owner: Owner, stores: Stores) -> None:
    applied, parked, unknown = arrived(stores, content=7), arrived(stores, content=-8), arrived(stores)
    decide(store, owner, stores, [applied], [refused(parked)])
    store.commit()
    transaction = opened(stores.connect(), owner, stores, applied, parked, unknown)
    assert transaction.known == {applied.ledger_id: Known(APPLIED, 7), parked.ledger_id: Known(PARKED, -8)}
    assert transaction.deferred == {}


def test_only_ids_that_were_asked_for_are_looked_up(store: Store, owner: Owner, stores: Stores) -> None:
    first, second = arrived(stores), arrived(stores)
    decide(store, owner, stores, [first, second])
    store.commit()
    assert set(opened(store, owner, stores, second).known) == {second.ledger_id}


def test_nothing_of_a_transaction_that_is_rolled_back_is_kept(store: Store, owner: Owner, stores: Stores) -> None:
    applied, parked, deferred = arrived(stores, "a"), arrived(stores, "b"), arrived(stores, "c")
    decide(store, owner, stores, [applied], [refused(parked, parks_key=True)])
    store.defer(owner, [Deferral(deferred, "a test")])
    store.roll_back()
    transaction = opened(store, owner, stores, applied, parked, deferred)
    assert (transaction.known, transaction.deferred) == ({}, {})
    store.roll_back()
    started = store.start(owner)
    assert (started.leftovers, started.deferred_index.total, started.deferred_index.parked) == ([], 0, set())


def test_rolling_back_without_a_transaction_does_nothing(store: Store, owner: Owner, stores: Stores) -> None:
    store.roll_back()
    with committed(store, owner, stores):
        pass
    store.roll_back()


def test_deferred_commands_are_kept_in_order_and_read_in_pages(store: Store, owner: Owner, stores: Stores) -> None:
    commands = [arrived(stores, key, content) for content, key in enumerate(["b", "a", None, "a", "b"])]
    rows = defer(store, owner, stores, *(Deferral(command, "a test") for command in commands))
    assert [row.item for row in rows] == [command.item for command in commands]
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})
    assert [(row.service, row.lane, row.hash, row.parked) for row in rows] == [
        (stores.service, 0, command.hash, None) for command in commands
    ]
    pages = [store.deferred(owner, after, 2) for after in (BEGINNING, rows[1].seq, rows[3].seq, rows[4].seq)]
    assert pages == [rows[:2], rows[2:4], rows[4:], []]


def test_deferred_commands_are_known_and_counted_by_key(store: Store, owner: Owner, stores: Stores) -> None:
    commands = [arrived(stores, key, content) for content, key in enumerate(["a", None, "a"])]
    defer(store, owner, stores, *(Deferral(command, "a test") for command in commands))
    transaction = opened(store, owner, stores, *commands, arrived(stores))
    assert transaction.deferred == {command.ledger_id: command.hash for command in commands}
    store.roll_back()
    index = store.start(owner).deferred_index
    assert index.deferred == Counter({(stores.service, "a"): 2, None: 1})
    assert index.total == 3
    assert store.deferred_index(owner).deferred == index.deferred


def test_keyless_commands_of_several_services_are_counted_together(store: Store, owner: Owner, stores: Stores) -> None:
    commands = [arrived(stores, None), arrived(stores, None, service="another"), arrived(stores, "a")]
    defer(store, owner, stores, *(Deferral(command, "a test") for command in commands))
    index = store.start(owner).deferred_index
    assert (index.deferred, index.total) == (Counter({None: 2, (stores.service, "a"): 1}), 3)


def test_a_settled_row_is_deferred_no_more(store: Store, owner: Owner, stores: Stores) -> None:
    commands = [arrived(stores) for _ in range(3)]
    first, second, third = defer(store, owner, stores, *(Deferral(command, "a test") for command in commands))
    with committed(store, owner, stores):
        store.settle_deferred({first.seq: "applied", second.seq: "parked"})
    assert store.deferred(owner, BEGINNING, 10) == [third]
    assert set(opened(store, owner, stores, *commands).deferred) == {commands[2].ledger_id}
    store.roll_back()
    assert store.start(owner).deferred_index.total == 1


def test_a_row_is_settled_once(store: Store, owner: Owner, stores: Stores) -> None:
    first, second = defer(store, owner, stores, *(Deferral(arrived(stores), "a test") for _ in range(2)))
    with committed(store, owner, stores):
        store.settle_deferred({first.seq: "applied"})
    opened(store, owner, stores)
    with pytest.raises(DatabaseFault) as raised:
        store.settle_deferred({second.seq: "applied", first.seq: "parked"})
    assert raised.value.fault is Fault.CONFLICT
    store.roll_back()
    assert store.deferred(owner, BEGINNING, 10) == [second], "all or nothing"


def test_settling_is_undone_by_a_rollback(store: Store, owner: Owner, stores: Stores) -> None:
    [row] = defer(store, owner, stores, Deferral(arrived(stores), "a test"))
    opened(store, owner, stores)
    store.settle_deferred({row.seq: "applied"})
    store.roll_back()
    assert store.deferred(owner, BEGINNING, 10) == [row]


def test_whether_a_row_waits_with_a_limit_is_kept(store: Store, owner: Owner, stores: Stores) -> None:
    rows = defer(store, owner, stores, Deferral(arrived(stores), "why", 600.0), Deferral(arrived(stores), "why"))
    assert [(row.limited, row.overdue) for row in rows] == [(True, False), (False, False)]


@pytest.mark.needs(LIMITS)
def test_how_rows_wait_is_kept_and_changed_later(store: Store, owner: Owner, stores: Stores) -> None:
    def found() -> list[tuple[bool, bool, str, bool, bool]]:
        rows = store.deferred(owner, BEGINNING, 9)
        return [(row.limited, row.overdue, row.reason, row.at_fault, row.failed) for row in rows]

    first = Deferral(arrived(stores), "why", 600.0, failed=True)
    [limited, unlimited] = defer(store, owner, stores, first, Deferral(arrived(stores), "why", at_fault=True))
    assert found() == [(True, False, "why", False, True), (False, False, "why", True, False)]
    store.postpone({limited.seq: Postponed("a", 3600.0, failed=False), unlimited.seq: Postponed("b", 0.0)})
    now = [(True, False, "a", False, False), (True, True, "b", False, True)]
    assert wait_until(lambda: found() == now, DEADLINE_SECONDS)


def test_a_parked_command_parks_its_key_if_its_contract_says_so(store: Store, owner: Owner, stores: Stores) -> None:
    parking = [refused(arrived(stores, key), parks_key=key == "a") for key in ("a", "b")]
    keyless = refused(arrived(stores, None), parks_key=True)
    decide(store, owner, stores, parked=[*parking, keyless])
    store.commit()
    assert store.start(owner).deferred_index.parked == {(stores.service, "a")}
    assert store.deferred_index(owner).parked == {(stores.service, "a")}


def test_parking_a_command_again_changes_nothing(store: Store, owner: Owner, stores: Stores) -> None:
    parked = refused(arrived(stores), parks_key=True)
    decide(store, owner, stores, parked=[parked])
    store.commit()
    with committed(store, owner, stores):
        store.park([parked], {})
    assert store.start(owner).deferred_index.parked == {(stores.service, "a")}


@pytest.mark.needs(HOLDS)
def test_holds_are_read_with_the_transaction(store: Store, owner: Owner, stores: Stores) -> None:
    assert not opened(store, owner, stores).holds.any_on_commands
    store.roll_back()
    stores.hold(f"{stores.service}.deposit", "a migration")
    holds = opened(store, owner, stores).holds
    assert holds.on_command(f"{stores.service}.deposit", None, ()) == "held: a migration"
    assert holds.on_command(f"{stores.service}.other", None, ()) is None


@pytest.mark.needs(HOLDS)
def test_a_writer_holds_a_type_longer_each_time_and_releases_it(store: Store, owner: Owner, stores: Stores) -> None:
    task = f"{stores.service}.deposit"
    seconds = [store.hold_task(task, "no such table") for _ in range(9)]
    assert seconds[:3] == pytest.approx([1.0, 2.0, 4.0], rel=0.01)
    assert seconds[-2:] == pytest.approx([60.0, 60.0], rel=0.01)
    assert opened(store, owner, stores).holds.on_command(task, None, ()) == "held: no such table"
    store.roll_back()
    store.release_task(task)
    assert opened(store, owner, stores).holds.on_command(task, None, ()) is None


@pytest.mark.needs(HOLDS)
def test_a_writer_leaves_the_hold_of_a_person_alone_until_it_is_over(
    store: Store, owner: Owner, stores: Stores
) -> None:
    task = f"{stores.service}.deposit"
    stores.hold(task, "a migration")
    store.hold_task(task, "no such table")
    store.release_task(task)
    assert opened(store, owner, stores).holds.on_command(task, None, ()) == "held: a migration"
    store.roll_back()
    stores.hold(f"{task}s", "it is over", 0.0)
    assert store.hold_task(f"{task}s", "no such table") == pytest.approx(1.0, rel=0.01)


@pytest.mark.needs(REMOVALS)
def test_a_removal_is_found_with_the_transaction_until_it_ends(store: Store, owner: Owner, stores: Stores) -> None:
    parked, dropped, other = (arrived(stores) for _ in range(3))
    stores.remove(parked.ledger_id, False)
    stores.remove(dropped.ledger_id, True)
    removals = opened(store, owner, stores, parked, dropped, other).removals
    assert {id_: (found.dropped, found.cause.cause) for id_, found in removals.items()} == {
        parked.ledger_id: (False, "parked-by-people"),
        dropped.ledger_id: (True, "dropped-by-people"),
    }
    store.end_removals(stores.service, [parked.ledger_id])
    store.roll_back()
    assert len(opened(store, owner, stores, parked, dropped).removals) == 2
    store.end_removals(stores.service, [parked.ledger_id])
    store.commit()
    assert list(opened(store, owner, stores, parked, dropped).removals) == [dropped.ledger_id]


@pytest.mark.needs(REMOVALS)
def test_a_dropped_command_keeps_nothing_waiting(store: Store, owner: Owner, stores: Stores) -> None:
    command = arrived(stores)
    dropped = replace(refused(command, parks_key=True), dropped=True)
    decide(store, owner, stores, parked=[dropped])
    store.commit()
    assert store.deferred_index(owner).parked == set()
    known = opened(store, owner, stores, command).known
    assert known == {command.ledger_id: Known(PARKED, command.hash)}


@pytest.mark.needs(SUSPECTS)
def test_a_suspect_is_counted_once_for_each_writer(store: Store, owner: Owner, stores: Stores) -> None:
    first, other = arrived(stores).ledger_id, arrived(stores).ledger_id
    assert [store.suspect(owner, stores.service, first) for _ in range(2)] == [1, 1]
    successor = stores.take_over(SECOND)
    assert store.suspect(successor, stores.service, first) == 2
    assert store.suspect(stores.take_over(FIRST), stores.service, first) == 3
    assert store.suspect(successor, stores.service, other) == 1
    store.clear_suspect(stores.service, first)
    assert store.suspect(successor, stores.service, first) == 1


def outgoing(stores: Stores, number: int) -> Outgoing:
    item = Item(new_id(), f"{stores.service}.deposit", 1, "a", b'{"n": %d}' % number)
    return Outgoing(0, item, stores.service, None, None)


def emit(store: Store, owner: Owner, stores: Stores, *numbers: int) -> list[Outgoing]:
    """Emit commands in a batch; return them as they are stored."""
    transaction = opened(store, owner, stores)
    write(store, owner, stores, transaction)
    filled = store.fill_outbox(owner, [outgoing(stores, number) for number in numbers])
    store.commit()
    return filled


def test_what_is_emitted_is_numbered_in_order(store: Store, owner: Owner, stores: Stores) -> None:
    filled = emit(store, owner, stores, 0, 1, 2)
    assert [row.item.fields for row in filled] == [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']
    assert [row.seq for row in filled] == sorted({row.seq for row in filled})
    [later] = emit(store, owner, stores, 3)
    assert later.seq > filled[-1].seq


@pytest.mark.needs(OUTBOX)
def test_the_outbox_is_kept_until_it_is_sent(store: Store, owner: Owner, stores: Stores) -> None:
    filled = emit(store, owner, stores, 0, 1, 2, 3)
    successor = stores.take_over(SECOND)
    of_successor = stores.connect()

    def left() -> list[str]:
        return [row.item.id for row in of_successor.start(successor).leftovers]

    ids = [row.item.id for row in filled]
    assert left() == ids
    of_successor.delete_sent(successor, filled[0].seq)
    assert left() == ids[1:]
    transaction = opened(of_successor, successor, stores)
    of_successor.enter(successor, transaction, stores.service, 0)
    of_successor.leave_role(successor, transaction, stores.service, [], filled[2].seq)
    of_successor.roll_back()
    assert left() == ids[1:]
    transaction = opened(of_successor, successor, stores)
    of_successor.enter(successor, transaction, stores.service, 0)
    of_successor.leave_role(successor, transaction, stores.service, [], filled[2].seq)
    of_successor.commit()
    assert left() == ids[3:]


@pytest.mark.needs(RECEIPTS)
def test_a_receipt_says_what_became_of_a_command(store: Store, owner: Owner, stores: Stores) -> None:
    applied, parked, deferred, unknown = (arrived(stores) for _ in range(4))
    decide(store, owner, stores, [applied], [refused(parked, "wrong")])
    store.defer(owner, [Deferral(deferred, "held: a test")])
    store.commit()
    ids = [command.item.id for command in (applied, parked, deferred, unknown)]
    receipts = store.look_up(stores.service, ids)
    assert {id_: (one.id, one.outcome) for id_, one in receipts.items()} == {
        ids[0]: (ids[0], "applied"), ids[1]: (ids[1], "parked"), ids[2]: (ids[2], "deferred"),
    }  # fmt: skip
    assert receipts[ids[0]].cause is None
    assert receipts[ids[1]].cause == Cause("wrong", "why")
    assert receipts[ids[2]].cause == Cause("deferred", "held: a test")
    assert receipts[ids[0]].xid == receipts[ids[1]].xid


@pytest.mark.needs(RECEIPTS)
def test_the_answers_of_handlers_are_kept_with_the_decision(store: Store, owner: Owner, stores: Stores) -> None:
    result = {"number": 7, "texts": ["", "a \\ \" ' {x,y} NULL", "\0", "ü"], "none": None}
    applied, declined, silent = (arrived(stores) for _ in range(3))
    transaction = opened(store, owner, stores)
    write(
        store, owner, stores, transaction,
        Decision(applied.ledger_id, APPLIED, 1, result=to_json(result)),
        Decision(declined.ledger_id, DECLINED, 2, reason="no \"stock\", NULL"),
        Decision(silent.ledger_id, APPLIED, 3),
    )  # fmt: skip
    store.commit()
    receipts = store.look_up(stores.service, [command.item.id for command in (applied, declined, silent)])
    assert [(one.outcome, one.result, one.reason) for one in receipts.values()] == [
        ("applied", result, None), ("declined", None, 'no "stock", NULL'), ("applied", None, None),
    ]  # fmt: skip
    transaction = opened(stores.connect(), owner, stores, declined)
    assert transaction.known == {declined.ledger_id: Known(DECLINED, 2)}


@pytest.mark.needs(BATCHES)
def test_a_commit_says_where_and_when(store: Store, owner: Owner, stores: Stores) -> None:
    opened(store, owner, stores)
    lsn, at = store.commit()
    assert "/" in lsn
    assert at.tzinfo is not None
