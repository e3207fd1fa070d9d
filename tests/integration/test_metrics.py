"""What a writer tells Prometheus, and what the writers keep of the gate's figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from tests.integration.altered import SAMPLE_SECONDS
from tests.integration.gate import Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Careful, Deposit, Run, trial
from writegate.contract.lanes import lane_of
from writegate.message.envelope import encode, item_of
from writegate.message.topology import queue_name
from writegate_writer.database.samples import SAMPLE_METRICS

# Words that are declared or ours, never what a command says.
LABELS = {"service", "lane", "outcome", "cause", "task", "domain", "phase", "kind", "sqlstate_class", "le"}
OF_THE_CLIENT = ("python_", "process_")


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_metrics", connections=4) as running:
        running.writers.start(altered="samples_often", writegate_slots=3)
        yield running
        running.assert_drained()


def told(gate: Gate, name: str, writer: str = "writer-1") -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by the values of their labels, in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for metric in gate.writers[writer].metrics()
        for sample in metric.samples
        if sample.name == name
    }


def wait_told(gate: Gate, name: str, expected: Mapping[Any, float]) -> None:
    """Wait until a metric has these samples, among others."""

    def there() -> bool:
        return expected.items() <= told(gate, name).items()

    gate.wait(there, f"{name} is {expected}")


def deposits(account: str, *seqs: int, amount: int = 1) -> list[Deposit]:
    return [Deposit(account=account, seq=seq, amount=amount) for seq in seqs]


def test_commands_are_counted_by_service_lane_and_outcome(gate: Gate) -> None:
    before = told(gate, "writegate_decided_commands_total")
    commits = told(gate, "writegate_commits_total").get(("trial",), 0)
    lane = str(lane_of("counted", trial.lanes))
    good, [bad] = deposits("counted", *range(50)), deposits("counted", 50, amount=-1)
    gate.broker.publish([*good, bad])
    gate.database.wait_parked(bad.command_id)
    gate.database.wait_entries("counted", 50)
    gate.broker.publish(good[:7])  # again
    expected = {("applied", 50), ("parked", 1), ("duplicate", 7)}
    counts = {(lane, outcome, "trial"): before.get((lane, outcome, "trial"), 0.0) + n for outcome, n in expected}
    wait_told(gate, "writegate_decided_commands_total", counts)
    assert told(gate, "writegate_commits_total")["trial",] - commits >= 2  # the good ones, and the bad one alone
    assert told(gate, "writegate_batch_commands_sum")["trial",] >= 58
    assert told(gate, "writegate_batch_seconds_count") == told(gate, "writegate_batch_commands_count")
    faults = told(gate, "writegate_database_faults_total")
    assert faults["23",] >= 1
    last = gate.database.value("SELECT extract(epoch FROM max(committed_at))::float8 FROM writegate.batch")
    assert told(gate, "writegate_last_commit_timestamp_seconds")["trial",] == pytest.approx(last, abs=5)


def test_what_came_in_the_wrong_lane_is_counted(gate: Gate) -> None:
    lane = lane_of("astray", trial.lanes)
    with gate.broker.channel() as channel:
        send(channel, queue_name("trial", 1 - lane), encode(item_of(Deposit(account="astray", seq=1))))
    gate.database.wait_entries("astray", 1)
    wait_told(gate, "writegate_forwarded_commands_total", {("trial",): 1})


def test_a_writer_tells_what_it_is(gate: Gate) -> None:
    domains = gate.database.value("SELECT count(*) FROM writegate.domain")
    assert told(gate, "writegate_domains") == {("starting",): 0, ("serving",): domains, ("leaving",): 0}
    assert told(gate, "writegate_standing_by") == {(): 0}
    assert told(gate, "writegate_broker_connected") == {(): 1}
    assert told(gate, "writegate_connections") == {(): gate.connections}
    assert told(gate, "writegate_held_bytes")[()] < told(gate, "writegate_held_bytes_limit")[()]
    assert told(gate, "process_resident_memory_bytes")[()] > 2**20


def test_every_writer_tells_the_figures_of_the_whole_gate(gate: Gate) -> None:
    first = Careful(account="waits", seq=1, amount=-1)
    runs = [Run(account=f"held {number}", name="nothing of this name") for number in range(2)]
    gate.broker.publish([first, Careful(account="waits", seq=2), *runs])
    gate.database.wait_parked(first.command_id)
    wait_told(gate, "writegate_held_type", {("trial.run",): 1})
    wait_told(gate, "writegate_deferred_commands", {("trial", "trial"): 3})
    assert told(gate, "writegate_parked_commands")["sqlstate-23514", "trial"] >= 1
    assert told(gate, "writegate_oldest_deferred_seconds")["trial", "trial"] >= 0
    assert told(gate, "writegate_writer_connections_limit") == {(): gate.connections}
    assert told(gate, "writegate_writer_connections")[()] <= gate.connections
    assert told(gate, "writegate_server_connections")[()] > gate.connections
    assert told(gate, "writegate_unowned_domain") == {}
    assert told(gate, "writegate_ledger_days_ahead")[()] >= 7
    # One without a connection knows none of it, and says so.
    gate.writers.start("writer-2", wait=False)
    gate.wait(lambda: gate.writers["writer-2"].state().get("standing_by") is True, "writer-2 stands by")
    assert told(gate, "writegate_standing_by", "writer-2") == {(): 1}
    assert told(gate, "writegate_sample_timestamp_seconds", "writer-2") == {}
    assert told(gate, "writegate_sample_timestamp_seconds")[()] > 0
    gate.writers.stop("writer-2")
    gate.database.sql("INSERT INTO trial.script VALUES ('nothing of this name', 'SELECT 1')")
    gate.wait(lambda: told(gate, "writegate_held_type") == {}, "the type works again")


def test_what_waits_is_told_by_the_writer_that_serves_it(gate: Gate) -> None:
    stuck = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'writegate_writer'"
    kept = "SELECT max(value) FROM writegate.history WHERE name = 'oldest_waiting_seconds'"
    with closing(gate.servers.superuser(gate.name)) as outsider, outsider.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE trial.balance")
        gate.broker.publish(deposits("waiting", 1))
        gate.wait(lambda: bool(gate.database.value(stuck)), "the handler waits for the lock")
        gate.broker.publish(deposits("waiting", 2))
        gate.wait(lambda: told(gate, "writegate_waiting_messages")["trial",] == 1, "the next one waits")
        gate.wait(lambda: told(gate, "writegate_oldest_waiting_seconds")["trial",] > 1, "and is a second old")
        gate.wait(lambda: (gate.database.value(kept) or 0) > 1, "which is kept")
        cursor.execute("COMMIT")
    gate.database.wait_entries("waiting", 2)
    gate.wait(lambda: told(gate, "writegate_waiting_messages")["trial",] == 0, "nothing waits")
    assert told(gate, "writegate_oldest_waiting_seconds")["trial",] == 0


def test_a_schema_older_than_the_writer_stops_no_command(gate: Gate) -> None:
    gate.database.sql("ALTER FUNCTION writegate.take_sample RENAME TO not_yet")
    gate.wait(lambda: "samples.put_off" in gate.writers["writer-1"].log, "it is put off")
    gate.broker.publish(deposits("meanwhile", 1))
    gate.database.wait_entries("meanwhile", 1)
    gate.database.sql("ALTER FUNCTION writegate.not_yet RENAME TO take_sample")
    count = sampled(gate)
    gate.wait(lambda: sampled(gate) > count, "samples are taken again")


def test_no_label_tells_what_a_command_says(gate: Gate) -> None:
    gate.database.sql(
        "INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial key=secret', 'test', 'tester')"
    )
    wait_told(gate, "writegate_holds", {("key",): 1})
    metrics = [metric for metric in gate.writers["writer-1"].metrics() if not metric.name.startswith(OF_THE_CLIENT)]
    samples = [sample for metric in metrics for sample in metric.samples]
    assert {label for sample in samples for label in sample.labels} <= LABELS
    assert not any("secret" in value for sample in samples for value in sample.labels.values())
    assert {exported.metric for exported in SAMPLE_METRICS.values()} <= {metric.name for metric in metrics}
    assert all(metric.documentation for metric in metrics)
    gate.database.sql("DELETE FROM writegate.hold WHERE holder = 'tester'")


def sample(gate: Gate, every: str = "0") -> None:
    gate.database.sql("SELECT writegate.take_sample(%s)", [every])


def sampled(gate: Gate) -> int:
    return int(gate.database.value("SELECT count(*) FROM writegate.history WHERE name = 'sampled'"))


def test_no_two_writers_take_the_same_sample(gate: Gate) -> None:
    sample(gate)
    count = sampled(gate)
    with closing(gate.servers.superuser(gate.name)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('writegate history'))")
        sample(gate)  # another is at it
        assert sampled(gate) == count
        cursor.execute("COMMIT")
    sample(gate, "1 hour")  # there is one
    assert sampled(gate) == count
    sample(gate)  # the negative control: it is these two that keep it from being taken
    assert sampled(gate) == count + 1


def test_each_batch_is_in_one_sample(gate: Gate) -> None:
    """Rates times their times are the commands of the batches, over any number of samples."""
    sample(gate)
    start = gate.database.value("SELECT max(at) FROM writegate.history WHERE name = 'sampled'")
    for number in range(3):
        gate.broker.publish(deposits("rated", *range(number * 40, number * 40 + 40)))
        gate.database.wait_entries("rated", number * 40 + 40)
        sample(gate)
    settled = "SELECT max(committed_at) < clock_timestamp() - interval '1.5 seconds' FROM writegate.batch"
    gate.wait(lambda: bool(gate.database.value(settled)), "the last batch is old enough for a sample")
    sample(gate)
    totals = """
        WITH span AS (SELECT at, extract(epoch FROM at - lag(at) OVER (ORDER BY at)) AS seconds
                      FROM writegate.history WHERE name = 'sampled')
        SELECT h.name, round(sum(h.value * span.seconds))::int FROM writegate.history h JOIN span USING (at)
        WHERE at > %s AND h.labels = '{"service": "trial"}' AND h.name LIKE '%%_per_second' GROUP BY 1 ORDER BY 1
    """
    batches = (
        "SELECT sum(commands)::int, count(*)::int FROM writegate.batch WHERE service = 'trial' AND committed_at > %s"
    )
    [(commands, commits)] = gate.database.sql(batches, [start])
    assert commands >= 120
    assert gate.database.sql(totals, [start]) == [("commands_per_second", commands), ("commits_per_second", commits)]


def read_of_batches(gate: Gate, query: str) -> int:
    """Return how many rows of the table of batches a query reads."""
    reads = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'batch'"
    with closing(gate.servers.superuser(gate.name)) as connection, connection.cursor() as cursor:
        cursor.execute(query)  # in a session of its own: counted from nothing
        cursor.execute(reads)
        [(rows,)] = cursor.fetchall()
    return int(rows)


def test_a_sample_does_not_read_the_batches_of_other_days(gate: Gate) -> None:
    gate.database.sql("""
        INSERT INTO writegate.batch (id, domain, service, writer, xid, commands, started_at, committed_at)
        OVERRIDING SYSTEM VALUE
        SELECT -n, 'old', 'old', 'w', 1, 1, now() - interval '1 day', now() - interval '1 day'
        FROM generate_series(1, 20000) n
    """)
    recent = gate.database.value("SELECT count(*) FROM writegate.batch WHERE id > 0")
    assert read_of_batches(gate, "SELECT writegate.take_sample('0')") <= 2 * recent + 100
    # The negative control: asked by their times alone.
    by_time = "SELECT count(*) FROM writegate.batch WHERE committed_at > clock_timestamp() - interval '10 seconds'"
    assert read_of_batches(gate, by_time) >= 20000


def test_history_goes_on_after_a_restart_and_with_two_writers_at_it(gate: Gate) -> None:
    gate.writers.stop()
    before = gate.database.value("SELECT max(at) FROM writegate.history WHERE name = 'sampled'")
    count = sampled(gate)
    for name in ("writer-1", "writer-2"):
        gate.writers.start(name, altered="samples_often", wait=False, writegate_slots=1)
    gate.wait_shared("writer-1", "writer-2")
    times = "SELECT at FROM writegate.history WHERE name = 'sampled' AND at > %s ORDER BY at"
    gate.wait(lambda: len(gate.database.sql(times, [before])) >= 3, "three samples more")
    taken = [at for (at,) in gate.database.sql(times, [before])]
    assert sampled(gate) >= count + len(taken)
    assert all((later - at).total_seconds() >= SAMPLE_SECONDS - 1 for at, later in pairwise(taken))
