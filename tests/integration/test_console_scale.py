"""The console in front of 500 services, 100,000 parked commands and a day of metrics, by query plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.gate import gate_running
from tests.integration.site import LoggedInClient, Site, site_of
from tests.servers import Servers

pytestmark = pytest.mark.slow

SERVICES, PARKED, BATCHES, SAMPLES = 500, 100_000, 100_000, 8640
MOST_BYTES = 300_000  # of a page
BIG_ROWS = 10_000
FILL = f"""
INSERT INTO writegate.domain (name, tables, reason, owner, lease_until)
    SELECT 'many_' || n, ARRAY['many_' || n || '.item'], 'of tests', 'w1', clock_timestamp() + interval '1 day'
    FROM generate_series(1, {SERVICES}) n;
INSERT INTO writegate.lane (service, lane, domain)
    SELECT 'many_' || n, lane, 'many_' || n FROM generate_series(1, {SERVICES}) n, generate_series(0, 3) lane;
INSERT INTO writegate.parked (parked_at, service, lane, id, task, version, key, hash, cause, message, headers, raw)
    SELECT clock_timestamp() - n * interval '1 second', 'many_' || n % 50, 0, gen_random_uuid(), 'many.task_' || n % 5,
           1, 'key ' || n, n, 'sqlstate-2350' || n % 3, repeat('why ', 20), '{{"parent_id": null}}',
           convert_to('{{"n": ' || n || '}}', 'UTF8')
    FROM generate_series(1, {PARKED}) n;
ALTER TABLE writegate.batch DISABLE TRIGGER ALL;
INSERT INTO writegate.batch (domain, service, writer, xid, commands, started_at, committed_at)
    SELECT 'many_' || n % {SERVICES} + 1, 'many_' || n % {SERVICES} + 1, 'w1', n, 10, at, at
    FROM (SELECT n, clock_timestamp() - ({BATCHES} - n) * interval '10 milliseconds' AS at
          FROM generate_series(1, {BATCHES}) n) batch;
INSERT INTO writegate.ledger (day, service, id, outcome, hash, batch)
    SELECT b.started_at::date, b.service, gen_random_uuid(), 'a', 1, b.id FROM writegate.batch b, generate_series(1, 5);
INSERT INTO writegate.history (at, name, value)
    SELECT clock_timestamp() - n * interval '10 seconds', name, 1
    FROM generate_series(1, {SAMPLES}) n, unnest(ARRAY['sampled', 'deadlocks', 'writer_connections']) name;
INSERT INTO writegate.history (at, name, labels, value)
    SELECT h.at, 'commands_per_second', jsonb_build_object('service', 'many_' || n), 1
    FROM writegate.history h, generate_series(1, 50) n WHERE h.name = 'sampled';
"""


@pytest.fixture(scope="module")
def site(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with gate_running(servers, "gate_scale") as gate:
        gate.database.sql(FILL)
        gate.database.sql("VACUUM ANALYZE")  # as the server does by itself after a minute
        with site_of(gate, tmp_path_factory.mktemp("scale")) as made:
            yield made


@pytest.fixture(scope="module")
def client(site: Site) -> LoggedInClient:
    return site.client()


_BIG = "SELECT relname FROM pg_class WHERE reltuples > %(rows)s"
PAGES = (
    "/",
    "/?period=24h",
    "/services",
    "/services?start=450",
    "/services/many_7",
    "/services/many_7?period=24h",
    "/parked",
    "/parked?below=5000",
    "/parked?service=many_7&cause=sqlstate-23501",
    "/parked?key=key+4711",
    "/parked?id=nothing",
    "/parked?task=many.task_3&service=many_7",
    "/parked/4711",
    "/act/parked/replay?service=many_7",
    "/commands/01a1fed0-6806-7679-9fe0-3d07ed311082",
    "/batches/99000",
    "/audit",
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_reads_no_big_table_as_a_whole_and_is_not_endless(site: Site, client: LoggedInClient, path: str) -> None:
    site.state.places["operator"].histories.clear()  # so that it queries
    with site.recording() as queries:
        answer = client.get(path)
    assert answer.status_code in {200, 404}, answer.text
    assert len(answer.text) < MOST_BYTES, len(answer.text)
    whole = [scan for query, parameters in queries for scan in scans_of(site, query, parameters)]
    assert whole == []


def test_the_overview_reads_no_big_table_as_a_whole(site: Site) -> None:
    first = site.state.live.current().number
    with site.recording() as queries:
        while site.state.live.latest().number < first + 2:
            site.state.live.current()
    assert queries
    assert [scan for query, parameters in queries for scan in scans_of(site, query, parameters)] == []


def test_the_check_finds_a_table_that_is_read_as_a_whole(site: Site) -> None:
    assert scans_of(site, "SELECT count(*) FROM writegate.parked WHERE origin = 'x'", None) != []


def test_a_search_through_all_texts_takes_one_processor(site: Site, client: LoggedInClient) -> None:
    with site.recording() as queries:
        assert client.get("/parked?text=nothing").status_code == 200
    assert queries
    assert {workers for query, parameters in queries for workers in workers_of(site, query, parameters)} == {0}


def test_with_the_servers_own_settings_it_would_take_more(site: Site, client: LoggedInClient) -> None:
    with site.recording() as queries:
        client.get("/parked?text=nothing")
    reader = site.state.readers[0]
    reader.all("SELECT set_config('max_parallel_workers_per_gather', '2', false)")
    try:
        assert max(workers for query, parameters in queries for workers in workers_of(site, query, parameters)) > 0
    finally:
        reader.all("SELECT set_config('max_parallel_workers_per_gather', '0', false)")


@pytest.mark.parametrize(("text", "found"), [("nothing", 0), ('{"n": 4711}', 1), ('"n": 99', 1111)])
def test_a_text_is_looked_for_once_in_all_bodies(site: Site, client: LoggedInClient, text: str, found: int) -> None:
    with site.recording() as queries:
        answer = client.get(f"/api/v1/parked?text={quote(text)}&limit=3")
    body = answer.json()
    assert (body["total"], len(body["commands"])) == (found, min(found, 3)), body
    limited = [parameters for query, parameters in queries if "LIMIT" in query and "FROM writegate.parked" in query]
    if not found:
        assert limited == []
    else:
        numbers = {row["number"] for row in body["commands"]}
        assert [parameters["below"] for parameters in limited] == [max(numbers) + 1]
        assert all(parameters["lowest"] <= min(numbers) for parameters in limited)


def workers_of(site: Site, query: str, parameters: Mapping[str, Any] | None) -> list[int]:
    """Return how many parallel workers each step of a query's plan starts."""
    [row] = site.state.readers[0].all(f"EXPLAIN (FORMAT JSON) {query}", parameters)
    [plan] = row["QUERY PLAN"]
    return [step.get("Workers Planned", 0) for step in steps_of(plan["Plan"])]


def scans_of(site: Site, query: str, parameters: Mapping[str, Any] | None) -> list[str]:
    """Return the big tables that the plan of a query reads from end to end."""
    [row] = site.state.readers[0].all(f"EXPLAIN (FORMAT JSON) {query}", parameters)
    [plan] = row["QUERY PLAN"]
    big = {row["relname"] for row in site.state.readers[0].all(_BIG, {"rows": BIG_ROWS})}
    return [f"{table}: {query}" for table in whole_tables(plan["Plan"]) if table in big]


def whole_tables(plan: Mapping[str, Any]) -> Iterator[str]:
    for step in steps_of(plan):
        if step["Node Type"] in {"Seq Scan", "Parallel Seq Scan"}:
            yield step["Relation Name"]


def steps_of(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from steps_of(below)
