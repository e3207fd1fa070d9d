"""Who may read the console and act by it. Without servers: it works without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.offline_console import OfflineConsole, basic_headers, csrf_of, log_in
from writegate.contract.operations import DryRun, DryRunDeferred, Hold, OnFirst, Selection

PAGES = (
    "/", "/services", "/services/x", "/commands/x", "/batches/1", "/parked", "/parked/1", "/deferred", "/deferred/1",
    "/audit", "/connections",
)  # fmt: skip
FORMS = (
    "/act/hold", "/act/release", "/act/edit/1", "/act/parked/replay", "/act/parked/drop", "/act/parked/dry-run",
    "/act/deferred/replay", "/act/deferred/park", "/act/deferred/drop", "/act/deferred/dry-run",
)  # fmt: skip
READS = (
    "me",
    "overview",
    "history",
    "services",
    "services/x",
    "commands/x",
    "batches/1",
    "parked",
    "parked/1",
    "deferred",
    "deferred/1",
    "audit",
)
POSTS: dict[str, dict[str, Any]] = {
    "holds": {"target": "flights", "reason": "x"},
    "releases": {"target": "flights", "reason": "x"},
    "rehearsals": {"selection": {}, "reason": "x"},
    "replays": {"selection": {}, "reason": "x"},
    "drops": {"selection": {}, "reason": "x"},
    "deferred/rehearsals": {"selection": {}, "reason": "x"},
    "deferred/replays": {"selection": {}, "reason": "x"},
    "deferred/parkings": {"selection": {}, "reason": "x"},
    "deferred/drops": {"selection": {}, "reason": "x"},
    "removals": {"service": "flights", "id": "x", "drop": True, "reason": "x"},
    "parked/1/edits": {"fields": {}, "was": "", "reason": "x"},
}


def test_nobody_sees_anything_without_logging_in(console: OfflineConsole) -> None:
    client = console.client()
    for path in PAGES:
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"].startswith("/login?next=")) == (303, True), path
    assert [client.get(f"/api/v1/{path}").status_code for path in READS] == [401] * len(READS)
    assert [client.post(f"/api/v1/{path}", json=body).status_code for path, body in POSTS.items()] == [401] * len(POSTS)
    assert [client.post(path).status_code for path in FORMS] == [401] * len(FORMS)
    assert [client.get(path).status_code for path in ("/events", "/drain/events?target=flights")] == [401] * 2
    assert console.operations == []


def test_the_page_is_usable_without_a_database(console: OfflineConsole) -> None:
    client = console.client()
    log_in(client, "olga")
    answer = client.get("/")
    assert answer.status_code == 200
    assert "The database does not answer." in answer.text
    for path in PAGES[1:]:
        answer = client.get(path)
        assert (answer.status_code, "the database is not available" in answer.text) == (503, True), path
    assert client.get("/api/v1/overview").status_code == 503
    assert client.get("/readyz").json() == {"ready": True, "database": False, "broker": True}


def test_a_form_of_another_site_does_nothing(console: OfflineConsole) -> None:
    client = console.client()
    log_in(client, "olga")
    for token in ("", "wrong", csrf_of_another(console)):
        for path in FORMS:
            answer = client.post(path, data={"csrf": token, "target": "flights", "reason": "x"})
            assert answer.status_code == 403, path
    good = {"csrf": csrf_of(client), "target": "flights", "reason": "x"}
    for elsewhere in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        for path in (*FORMS, "/login", "/logout"):
            assert client.post(path, data=good, headers=elsewhere).status_code == 403, path
    for path, body in POSTS.items():
        assert client.post(f"/api/v1/{path}", json=body).status_code == 403, path
        assert client.post(f"/api/v1/{path}", json=body, headers={"X-CSRF-Token": "wrong"}).status_code == 403
    assert console.operations == []


def test_a_password_is_not_used_for_another_site_and_an_empty_selection_is_not_all(console: OfflineConsole) -> None:
    client = console.client()
    body = {"target": "flights", "reason": "x"}
    elsewhere = {**basic_headers("olga"), "Sec-Fetch-Site": "cross-site"}
    assert client.post("/api/v1/releases", json=body, headers=elsewhere).status_code == 403
    for path in ("replays", "drops", "deferred/parkings"):
        asked = client.post(f"/api/v1/{path}", json={"selection": {}, "reason": "x"}, headers=basic_headers("olga"))
        assert (asked.status_code, "the selection is empty" in asked.text) == (422, True)
    assert console.operations == []


def csrf_of_another(console: OfflineConsole) -> str:
    other = console.client()
    log_in(other, "rita")
    return csrf_of(other)


def test_the_token_is_what_makes_the_difference(console: OfflineConsole) -> None:
    client = console.client()
    log_in(client, "olga")
    asked = {"csrf": csrf_of(client), "target": "flights", "reason": "because"}
    assert client.post("/act/release", data=asked).status_code == 303
    body, token = {"target": "flights", "reason": "because"}, {"X-CSRF-Token": client.get("/api/v1/me").json()["csrf"]}
    assert client.post("/api/v1/releases", json=body, headers=token).status_code == 201
    assert client.post("/api/v1/releases", json=body, headers=basic_headers("olga")).status_code == 201
    assert [(operation.by, operation.reason) for operation in console.operations] == [("olga", "because")] * 3
    assert not any(isinstance(operation, Hold) for operation in console.operations)


def test_a_reader_is_refused_each_action(console: OfflineConsole) -> None:
    client = console.client()
    log_in(client, "rita")
    csrf = csrf_of(client)
    for path in FORMS:
        assert client.post(path, data={"csrf": csrf, "target": "flights", "reason": "x"}).status_code == 403, path
    for action in ("hold", "release", "parked/replay", "parked/drop", "deferred/park"):
        assert client.get(f"/act/{action}").status_code == 403, action
    for path, body in POSTS.items():
        for headers in ({"X-CSRF-Token": csrf}, basic_headers("rita")):
            answer = client.post(f"/api/v1/{path}", json=body, headers=headers)
            assert (answer.status_code, "takes the role operator" in answer.json()["detail"]) == (403, True), path
    assert console.operations == []


def test_the_api_selects_by_numbers_and_times_as_json_has_them(console: OfflineConsole) -> None:
    selection = {"numbers": [1, 2], "since": "2026-01-31T14:00:00Z", "service": "flights"}
    headers, client = basic_headers("olga"), console.client()
    for path in ("replays", "drops", "rehearsals", "deferred/rehearsals"):
        answer = client.post(f"/api/v1/{path}", json={"selection": selection, "reason": "x"}, headers=headers)
        assert (answer.status_code, "not available" in answer.text) == (503, True), answer.text
    assert [type(tried) for tried in console.operations] == [DryRun, DryRunDeferred]
    meant = Selection(numbers=(1, 2), since=datetime(2026, 1, 31, 14, tzinfo=UTC), service="flights")
    assert {tried.selection for tried in console.operations if isinstance(tried, OnFirst)} == {meant}
    naive = {"selection": {"since": "2026-01-31T14:00:00"}, "reason": "x"}
    assert client.post("/api/v1/replays", json=naive, headers=headers).status_code == 422
