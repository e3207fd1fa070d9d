"""What grows is kept as long as it is needed and no longer, and that never stops a writer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.integration.load import Load
from tests.servers import OWNER, Servers
from tests.services.trial.contract import Deposit, trial
from writegate.contract.ids import new_id

PATIENCE_SECONDS = patient(90)


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_maintenance", connections=6) as running:
        running.writers.start()
        yield running


def day_name(ago: int) -> str:
    return f"writegate.ledger_{(datetime.now(UTC) - timedelta(days=ago)).strftime('%Y%m%d')}"


def make_day(gate: Gate, ago: int) -> str:
    """Make the partition of a day that is past, as if it had been made then; return its name."""
    name = day_name(ago)
    gate.database.sql(
        f"SET ROLE {OWNER}; CREATE TABLE {name} PARTITION OF writegate.ledger "
        f"FOR VALUES FROM (current_date - {ago}) TO (current_date - {ago - 1}); RESET ROLE"
    )
    return name


def exists(gate: Gate, name: str) -> bool:
    return bool(gate.database.value("SELECT to_regclass(%s) IS NOT NULL", [name]))


def maintain(gate: Gate) -> None:
    """Start a second writer: the first thing it does is maintenance, and again every few seconds."""
    gate.writers.start("writer-2", altered="maintains_often", wait=False)


@pytest.mark.slow
def test_old_days_vanish_while_a_writer_applies(gate: Gate) -> None:
    old = [make_day(gate, ago) for ago in (40, 12, 11, 10)]
    kept = make_day(gate, 9)
    with Load(gate, "old days") as load:
        maintain(gate)
        gate.wait(lambda: not any(exists(gate, name) for name in old), "old days are dropped", PATIENCE_SECONDS)
        load.wait_applied(20)
    load.check()
    assert exists(gate, kept)
    assert gate.database.sql("SELECT * FROM writegate.hold") == []
    assert "domain.conflict" not in gate.writers["writer-1"].log
    gate.writers.stop("writer-2")


@pytest.mark.slow
def test_a_reader_of_the_ledger_puts_it_off_and_stops_no_writer(gate: Gate) -> None:
    with Load(gate, "put off") as load:
        with closing(gate.servers.superuser(gate.name)) as reader, reader.cursor() as cursor:

            def reads() -> bool:
                cursor.execute("ROLLBACK")
                name = make_day(gate, 20)
                cursor.execute("BEGIN; SELECT count(*) FROM writegate.ledger")
                return exists(gate, name)  # else the writer, which still dropped old days, was faster

            gate.wait(reads, "an old day is read", PATIENCE_SECONDS)
            old = day_name(20)
            maintain(gate)
            put_off = lambda: any("maintenance.put_off" in writer.log for writer in gate.writers.values())  # noqa: E731  one line
            gate.wait(put_off, "it gives up", PATIENCE_SECONDS)
            load.wait_applied(20)
            assert exists(gate, old)
        gate.wait(lambda: not exists(gate, old), "it is dropped when nobody reads", PATIENCE_SECONDS)
        load.wait_applied(20)
    load.check()
    gate.writers.stop("writer-2")


def test_nothing_goes_while_the_retention_of_some_service_is_not_known(gate: Gate) -> None:
    old = make_day(gate, 30)
    gate.database.sql("DELETE FROM writegate.service WHERE name = 'weather'")
    call = "SELECT writegate.drop_ledger_partition()::text, writegate.forget_rows(10)"
    assert gate.database.sql(call) == [(None, False)]
    gate.database.sql("INSERT INTO writegate.service VALUES ('weather', '40 days')")
    assert gate.database.sql(call) == [(None, False)]
    gate.database.sql("UPDATE writegate.service SET retention = '7 days' WHERE name = 'weather'")
    gate.wait(lambda: gate.database.sql(call) is not None and not exists(gate, old), "it is dropped", PATIENCE_SECONDS)


@pytest.mark.parametrize("new", [new_id, lambda: str(uuid.uuid4())], ids=["uuid7", "uuid4"])
def test_a_duplicate_is_found_on_the_last_day_of_the_retention(gate: Gate, new: object) -> None:
    then = datetime.now(UTC) - trial.retention + timedelta(minutes=5)
    first, second = aged(str(new()), then), str(uuid.uuid4())  # type: ignore[operator]
    account = f"last day {first}"
    gate.broker.publish([Deposit(account=account, seq=1).with_id(first)])
    gate.database.wait_entries(account, 1)
    day = (datetime.now(UTC) - then).days + 1
    if not exists(gate, f"writegate.ledger_{then.strftime('%Y%m%d')}"):
        make_day(gate, day)
    gate.database.sql("UPDATE writegate.ledger SET day = %s WHERE id = %s", [then.date(), first])
    gate.broker.publish(
        [Deposit(account=account, seq=1).with_id(first), Deposit(account=account, seq=2).with_id(second)]
    )
    gate.database.wait_entries(account, 2)
    gate.database.assert_exactly_once(account, [1, 2])


def aged(command_id: str, then: datetime) -> str:
    """Return an id as it would be had it been made then."""
    if uuid.UUID(command_id).version != 7:
        return command_id
    millis = int(then.timestamp() * 1000)
    return str(uuid.UUID(int=uuid.UUID(command_id).int & (1 << 80) - 1 | millis << 80))


ROWS = {
    # The old ones come first, as they are numbered when they begin.
    "batch": """INSERT INTO writegate.batch (id, domain, service, writer, xid, commands, started_at, committed_at)
        OVERRIDING SYSTEM VALUE
        SELECT extract(epoch FROM {at} - now()) * 10 - n, 'trial', 'trial', 'test', 1, 1, {at}, {at}
        FROM generate_series(1, 3) n""",
    # Of the same batches.
    "emission": """INSERT INTO writegate.emission
        SELECT extract(epoch FROM {at} - now()) * 10 - n, '{{}}', '{{}}' FROM generate_series(1, 3) n""",
    "deferred": """INSERT INTO writegate.deferred
        (deferred_at, domain, service, lane, id, ledger_id, task, version, hash, reason, headers, raw, state)
        SELECT {at}, 'trial', 'trial', 0, n, gen_random_uuid(), 'trial.deposit', 1, 1, 'test', '{{}}', '', 'applied'
        FROM generate_series(1, 3) n""",
    "history": "INSERT INTO writegate.history SELECT {at}, 'test', '{{}}', n FROM generate_series(1, 3) n",
    "hold": """INSERT INTO writegate.hold
        SELECT 'trial key=' || {at} || n, 'test', 'test', {at}, {at} FROM generate_series(1, 3) n""",
}


def test_rows_whose_time_is_over_are_deleted_a_few_at_a_time(gate: Gate) -> None:
    gate.writers.stop_all()
    counts = {name: f"SELECT count(*) FROM writegate.{name}" for name in ROWS}
    before = {name: gate.database.value(count) for name, count in counts.items()}
    for sql in ROWS.values():
        gate.database.sql(sql.format(at="now() - interval '20 days'"))
    for sql in ROWS.values():
        gate.database.sql(sql.format(at="now()"))
    waiting = "UPDATE writegate.deferred SET state = 'deferred' WHERE seq = (SELECT min(seq) FROM writegate.deferred)"
    gate.database.sql(waiting)
    assert gate.database.value("SELECT writegate.forget_rows(2)") is True
    while gate.database.value("SELECT writegate.forget_rows(2)"):
        pass
    after = {name: gate.database.value(count) - before[name] for name, count in counts.items()}
    assert after == {
        "batch": 3,
        "emission": 3,
        "deferred": 4,
        "history": 3,
        "hold": 3,
    }  # what still waits is never deleted


@pytest.mark.slow
def test_bodies_of_decided_commands_are_emptied_after_their_time_and_their_facts_stay(gate: Gate) -> None:
    gate.database.sql(
        "INSERT INTO writegate.parked (service, lane, id, task, version, hash, cause, message, headers, raw, state) "
        "SELECT 'trial', 0, 'kept-' || n, 'trial.deposit', 1, n, '23514', 'no', '{\"id\": 1}', '{}', 'parked' "
        "FROM generate_series(1, 5) n"
    )
    gate.database.sql("UPDATE writegate.parked SET state = 'dropped' WHERE id IN ('kept-1', 'kept-2', 'kept-3')")
    gate.database.sql("UPDATE writegate.parked SET state = 'replayed' WHERE id = 'kept-4'")
    gate.database.sql(
        "UPDATE writegate.parked SET decided_at = decided_at - interval '31 days' WHERE id IN ('kept-1', 'kept-4')"
    )
    gate.database.sql("UPDATE writegate.parked SET parked_at = parked_at - interval '90 days' WHERE id LIKE 'kept-%%'")

    def with_body() -> list[str]:
        rows = gate.database.sql("SELECT id FROM writegate.parked WHERE id LIKE 'kept-%%' AND raw <> '' ORDER BY id")
        return [id_ for (id_,) in rows]

    assert with_body() == [f"kept-{number}" for number in range(1, 6)]
    maintain(gate)
    gate.wait(lambda: len(with_body()) == 3, "the old ones are emptied", PATIENCE_SECONDS)
    assert with_body() == ["kept-2", "kept-3", "kept-5"]
    facts = "SELECT cause, message, headers::text, state FROM writegate.parked WHERE id = 'kept-4'"
    assert gate.database.sql(facts) == [("23514", "no", "{}", "replayed")]
    assert "no longer kept" in gate.operator.do("parked", "show", "kept-4")
    gate.writers.stop("writer-2")
