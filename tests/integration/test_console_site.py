"""The console of a running gate: what operators do with it, and what attackers put into it."""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from psycopg2.extras import Json

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.integration.site import OPERATOR, PASSWORD, READER, Site, site_of
from tests.relay import relay_to
from tests.servers import Servers
from tests.services.trial.contract import Careful, Deposit
from writegate.contract.operations import Drop, Selection
from writegate_devkit.stack.readiness import wait_until

PATIENCE_SECONDS = patient(60)
OVERVIEW_QUERIES = 14  # of one reading of the overview
PAGE_QUERIES = {
    "/": 1,  # the charts; the rest is from the overview
    "/services": 0,
    "/services/trial": 5,
    "/parked": 2,
    "/audit": 1,
    "/connections": 7,
}


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_site") as running:
        running.writers.start()
        yield running
        running.database.sql("DELETE FROM writegate.hold")
        running.assert_drained()


@pytest.fixture(scope="module")
def site(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of(gate, tmp_path_factory.mktemp("site")) as made:
        yield made


def test_a_hold_is_confirmed_placed_seen_and_released(gate: Gate, site: Site) -> None:
    client = site.client()
    confirmation = client.page("/act/hold?target=table:trial.entry")
    assert "Commands that touch trial.entry are deferred in order. Services: trial." in confirmation
    assert "did you mean" in client.page("/act/hold?target=trail", 409)
    client.act("/act/hold", target="table:trial.entry", **{"for": "1h"})
    assert gate.database.sql("SELECT target, holder FROM writegate.hold") == [("table:trial.entry", OPERATOR)]
    gate.broker.publish([Deposit(account="site-held", seq=0)])
    gate.wait(
        lambda: gate.database.value("SELECT count(*) FROM writegate.deferred WHERE key = 'site-held'") == 1, "it waits"
    )
    assert wait_until(lambda: "table:trial.entry" in client.page("/"), PATIENCE_SECONDS)
    assert "Deferred in the whole gate: 1 command;" in client.page("/act/release?target=table:trial.entry")
    assert gate.database.entries("site-held") == {"site-held": []}
    client.act("/act/release", target="table:trial.entry")
    gate.database.wait_entries("site-held", 1)
    again = client.act("/act/release", target="table:trial.entry")
    assert (again.status_code, "there is no hold on table:trial.entry" in html.unescape(again.text)) == (409, True)
    acts = client.page("/audit?target=trial.entry")
    assert (acts.count("<td>hold"), acts.count("<td>release")) == (1, 2)
    assert html.unescape(acts).count("refused</span> there is no hold on table:trial.entry") == 1


def test_a_hold_that_was_placed_a_moment_ago_can_be_released(gate: Gate, site: Site) -> None:
    client = site.client()
    for number in range(5):
        target = f"trial key={number}"
        gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES (%s, 'why', 'anna')", [target])
        assert "anna holds it since" in client.page(f"/act/release?{urlencode({'target': target})}")
        assert client.act("/act/release", target=target).status_code == 303


def test_the_api_returns_when_a_target_is_drained(gate: Gate, site: Site) -> None:
    gate.broker.publish(Deposit(account="site-drained", seq=seq) for seq in range(100))
    client = site.client()

    def drained(**more: Any) -> Any:
        return client.get("/api/v1/drain", params={"target": "trial", **more}).json()

    assert drained(seconds=0) == {"drained": False, "left": {"the broker is counting": 1}}
    assert drained(seconds=30) == {"drained": True, "left": {}}
    assert len(gate.database.entries("site-drained")["site-drained"]) == 100
    assert "did you mean trial" in drained(target="trail")["detail"]


def test_a_parked_command_is_found_tried_edited_and_replayed(gate: Gate, site: Site) -> None:
    client, account = site.client(), "site-edited"
    gate.broker.publish([bad := Careful(account=account, seq=1, amount=-77), Careful(account=account, seq=2)])
    gate.database.wait_parked(bad.command_id)
    number = gate.database.value("SELECT seq FROM writegate.parked WHERE id = %s", [bad.command_id])
    for query in (f"key={account}", f"id={bad.command_id}", "text=-77", f"number={number}"):
        assert f'href="/parked/{number}"' in client.page(f"/parked?{query}"), query
    assert f"/parked/{number}" in client.page(f"/commands/{bad.command_id}")
    client.page("/commands/" + quote("no such id", safe=""), 404)

    query = urlencode({"key": account})
    assert "1 parked command will be tried again" in client.page(f"/act/parked/replay?{query}")
    tried = client.act("/act/parked/dry-run", query=query).text
    assert "1 parked" in tried
    assert "23514" in tried
    assert gate.database.entries(account) == {account: []}, "it was only tried"

    was = gate.database.value("SELECT encode(sha256(raw), 'hex') FROM writegate.parked WHERE seq = %s", [number])
    fields = json.dumps({"account": account, "seq": 1, "amount": 5})
    shown = client.act(f"/act/edit/{number}", fields=fields, was=was)
    assert (shown.status_code, "<code>-77</code>" in shown.text, "<code>5</code>" in shown.text) == (200, True, True)
    refused = client.act(f"/act/edit/{number}", fields='{"account": 1}', was=was, confirmed="yes")
    assert (refused.status_code, "trial.careful version 1" in refused.text) == (409, True)
    assert client.act(f"/act/edit/{number}", fields=fields, was=was, confirmed="yes").status_code == 303
    assert f"<b>edit</b> by {OPERATOR}" in client.page(f"/parked/{number}")

    assert "1 of 1" in client.finish(client.act("/act/parked/replay", query=query))
    gate.database.wait_entries(account, 2)
    assert gate.database.entries(account) == {account: [1, 2]}
    assert f"/parked/{number}" in client.page(f"/parked?state=replayed&{query}")
    assert "No parked command matches any more." in client.page(f"/act/parked/replay?{query}")


def test_all_that_match_are_dropped_and_no_others(gate: Gate, site: Site) -> None:
    bad = [Deposit(account=f"site-drop-{number % 2}", seq=number, amount=-1) for number in range(20)]
    gate.broker.publish(bad)
    gate.database.wait_parked(*(command.command_id for command in bad))
    client = site.client()
    query = urlencode({"key": "site-drop-1"})
    assert "10 parked commands will be dropped for good" in client.page(f"/act/parked/drop?{query}")
    assert "10 of 10" in client.finish(client.act("/act/parked/drop", query=query))
    states = "SELECT key, state, count(*)::int FROM writegate.parked WHERE key ~ '^site-drop' GROUP BY 1, 2 ORDER BY 1"
    assert gate.database.sql(states) == [("site-drop-0", "parked", 10), ("site-drop-1", "dropped", 10)]
    assert ">10 commands<" in client.page("/audit?target=site-drop-1")
    nothing = Drop(selection=Selection(key="site-drop-1"), by=OPERATOR, reason="once more")
    assert site.state.operate(nothing)["done"] == 0
    assert ">0 commands<" in client.page("/audit?target=site-drop-1"), "a drop of nothing is told from one of ten"


def test_only_what_was_shown_is_dropped(gate: Gate, site: Site) -> None:
    client, query = site.client(), urlencode({"key": "site-shown"})
    gate.broker.publish([first := Deposit(account="site-shown", seq=0, amount=-1)])
    gate.database.wait_parked(first.command_id)
    shown = client.page(f"/act/parked/drop?{query}")
    carried = dict(re.findall(r'name="(total|up_to)" value="(\d+)"', shown))
    gate.broker.publish([later := Deposit(account="site-shown", seq=1, amount=-1)])
    gate.database.wait_parked(later.command_id)
    assert "1 of 1" in client.finish(client.act("/act/parked/drop", query=query, **carried))
    states = "SELECT state FROM writegate.parked WHERE key = 'site-shown' ORDER BY seq"
    assert gate.database.sql(states) == [("dropped",), ("parked",)]
    # None chosen is not all, and neither is what cannot be read or is not parked any more.
    assert 'name="number" value=""' in client.page(f"/parked?{query}")
    assert "No parked command matches any more." in client.page("/act/parked/drop?number=")
    for wrong in ("number=x", "state=dropped"):
        assert "No parked command matches any more." in client.page(f"/act/parked/drop?{wrong}", 409)


HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onfocus='alert(1)",
    "'; DROP TABLE writegate.parked; --",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "%s%(x)s\\ \u202e\u2028 end",
)  # fmt: skip
TAGS = ("<script>alert", "<img src=x", "onfocus='alert")


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_written_into_a_parked_command_is_only_shown(gate: Gate, site: Site, text: str) -> None:
    body = json.dumps({"account": text, text: [text]}).encode()
    [(number,)] = gate.database.sql(
        "INSERT INTO writegate.parked "
        "(service, lane, id, task, version, key, hash, cause, sqlstate, message, origin, headers, raw) "
        "VALUES (%(t)s, 0, %(t)s, %(t)s, 1, %(t)s, 1, %(t)s, %(t)s, %(t)s, %(t)s, %(j)s, %(b)s) RETURNING seq",
        {"t": text, "j": Json({text: text, "parent_id": text}), "b": body},
    )
    gate.database.sql(
        "INSERT INTO writegate.audit (who, action, target, detail) VALUES (%(t)s, %(t)s, %(t)s, %(j)s);"
        "INSERT INTO writegate.hold (target, reason, holder) VALUES (%(t)s, %(t)s, %(t)s)",
        {"t": text, "j": Json({"reason": text})},
    )
    client = site.client()
    assert wait_until(lambda: html.escape(text) in html_of(client.page("/")), PATIENCE_SECONDS)
    names = ("service", "task", "cause", "key", "id", "text")
    paths = [f"/parked?{urlencode({name: text})}" for name in names]
    paths += [f"/act/parked/{action}?{urlencode({'key': text})}" for action in ("replay", "drop")]
    paths += ["/parked", f"/parked/{number}", "/audit", f"/audit?{urlencode({'who': text})}"]
    paths += [f"/act/release?{urlencode({'target': text})}"]
    for path in paths:
        page = client.page(path)
        assert text in html.unescape(page), f"{path}: it is not shown"
        assert not [tag for tag in TAGS if tag in page], path
    found = client.page(f"/commands/{quote(text, safe='')}")
    assert not [tag for tag in TAGS if tag in found]
    for path in ("/services/", "/find?q=", "/act/hold?target=", "/login?next=", "/act/"):
        page = client.get(path + quote(text, safe="")).text
        assert not [tag for tag in TAGS if tag in page], path
    detail = client.get(f"/api/v1/parked/{number}").json()
    assert (detail["service"], detail["key"], detail["fields"]["account"]) == (text, text, text)
    assert gate.database.value("SELECT count(*) FROM writegate.parked WHERE seq = %s", [number]) == 1
    gate.database.sql("DELETE FROM writegate.hold")


def html_of(page: str) -> str:
    """Return a page with its escapes as Python writes them."""
    return html.escape(html.unescape(page)) if page else page


def test_bodies_that_are_no_text_or_endless_are_shown_too(gate: Gate, site: Site) -> None:
    insert = (
        "INSERT INTO writegate.parked (service, id, hash, cause, message, headers, raw) "
        "VALUES ('trial', gen_random_uuid()::text, 1, 'odd', 'odd', '{}', %s) RETURNING seq"
    )
    for body, expected in (
        (b"\xff\x00\xfe", "Its body is not text."),
        (b"[" * 200_000, "200,000 bytes"),
        (b"", "0 bytes"),
    ):
        number = gate.database.value(insert, [body])
        assert expected in site.client().page(f"/parked/{number}")


def test_ten_open_tabs_query_as_often_as_one(site: Site) -> None:
    live = site.state.live
    live.current()
    with site.recording() as queries:
        first = live.latest().number

        def tab() -> None:
            wait_until(lambda: live.latest().number >= first + 3, PATIENCE_SECONDS)

        tabs = [threading.Thread(target=tab) for _ in range(10)]
        for thread in tabs:
            thread.start()
        for thread in tabs:
            thread.join()
        readings = live.latest().number - first
    # The first may have begun before, and one may have begun since.
    assert (readings - 2) * OVERVIEW_QUERIES <= len(queries) <= (readings + 1) * OVERVIEW_QUERIES, (
        readings,
        len(queries),
    )


def test_each_page_sends_few_queries_over_one_connection_of_its_role(gate: Gate, site: Site) -> None:
    client = site.client()
    client.page("/")
    live = site.state.live
    live.close()  # its queries are not the page's
    assert wait_until(lambda: live.idle, PATIENCE_SECONDS)
    for path, most in PAGE_QUERIES.items():
        with site.recording() as queries:
            client.page(path)
        assert len(queries) <= most, (path, len(queries))
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^writegate console ' AND datname = %s"
    assert gate.database.value(sessions, [gate.name]) == 2  # the overview's, and that of operators


def test_a_database_that_does_not_answer_is_shown_and_comes_back(gate: Gate, tmp_path: Path) -> None:
    port = gate.servers.stack.state.ports["postgres"]
    usual = gate.operator.settings()["WRITEGATE_DATABASE_URL"]
    with relay_to(port) as relay, site_of(gate, tmp_path, WRITEGATE_DATABASE_URL=relay.in_place(usual)) as site:
        client = site.client()
        assert "The database does not answer." not in client.page("/")
        relay.stall()
        assert wait_until(lambda: "The database does not answer." in client.page("/"), PATIENCE_SECONDS)
        assert "This page shows data of" in client.page("/")
        client.page("/parked", 503)
        relay.resume()
        assert wait_until(lambda: "The database does not answer." not in client.page("/"), PATIENCE_SECONDS)
        assert wait_until(lambda: client.get("/parked").status_code == 200, PATIENCE_SECONDS)


def test_events_bring_what_changed_and_end_with_the_session(site_with_live: Site) -> None:
    with site_with_live.serving() as address, httpx.Client(base_url=address, timeout=PATIENCE_SECONDS) as client:
        client.post("/login", data={"name": READER, "password": PASSWORD, "next": "/"})
        with client.stream("GET", "/events") as stream:
            lines = (line for line in stream.iter_lines() if line.startswith("data: "))
            parts = [json.loads(next(lines).removeprefix("data: "))["parts"] for _ in range(4)]
            assert {"headline", "services", "charts", "banner"} <= set().union(*parts)
            assert "banner" not in parts[-1], "it has not changed"
            site_with_live.state.sessions.end_all()
            assert wait_until(lambda: next(lines, None) is None, PATIENCE_SECONDS)
        assert client.get("/events").status_code == 401


@pytest.fixture
def site_with_live(gate: Gate, tmp_path: Path) -> Iterator[Site]:
    with site_of(gate, tmp_path) as made:
        yield made


@pytest.mark.slow
def test_nothing_that_is_sent_to_the_api_fails_it(site_with_live: Site) -> None:
    # Not above: every process of a run imports all modules of tests, and this library takes 0.3 s.
    import schemathesis  # noqa: PLC0415  see above
    from schemathesis.checks import not_a_server_error  # noqa: PLC0415
    from schemathesis.core.result import Ok  # noqa: PLC0415

    with site_with_live.serving() as address:
        schema = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json")
        seen, codes = set(), set()

        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            seen.add(operation.label)

            @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy())
            def send(case: schemathesis.Case[Any]) -> None:
                answer = case.call_and_validate(auth=(OPERATOR, PASSWORD), checks=[not_a_server_error])
                codes.add(answer.status_code)

            send()
    assert len(seen) > 15
    assert {200, 201, 202, 404, 409, 422} <= codes, "it got past the log-in, and the forms"
