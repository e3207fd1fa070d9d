"""Requests that no browser and no sound program sends: each is answered, and none is a fault of the console's."""

from __future__ import annotations

import pytest

from tests.offline_console import OfflineConsole, basic_headers

JSON = {**basic_headers("olga"), "Content-Type": "application/json"}


def test_an_edit_that_no_operation_can_hold_is_refused(console: OfflineConsole) -> None:
    body = {"fields": {"text": "x" * 300_000}, "was": "", "reason": "x"}
    answer = console.client().post("/api/v1/parked/1/edits", json=body, headers=basic_headers("olga"))
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["fields"])
    assert console.operations == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("path", ["holds", "releases", "replays", "removals", "parked/1/edits"])
def test_what_is_no_json_is_refused(console: OfflineConsole, path: str, number: str) -> None:
    body = f'{{"target": {number}, "selection": {number}, "fields": {number}, "reason": "x"}}'
    answer = console.client().post(f"/api/v1/{path}", content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize("target", ["//[", "http://[", "/\\["])
def test_a_link_that_cannot_be_read_leads_to_the_first_page(console: OfflineConsole, target: str) -> None:
    client = console.client()
    assert client.get("/login", params={"next": target}).status_code == 200
    sent = client.post("/login", data={"name": "olga", "password": "correct horse battery", "next": target})
    assert (sent.status_code, sent.headers["location"]) == (303, "/")


def test_an_origin_that_cannot_be_read_is_another_site(console: OfflineConsole) -> None:
    client, headers = console.client(), {"Origin": "http://["}
    assert client.post("/login", data={"name": "olga"}, headers=headers).status_code == 403
    assert client.post("/logout", headers=headers).status_code == 403
