"""Logging in and out, and guessing passwords."""

from __future__ import annotations

import pytest

from tests.offline_console import PASSWORD, OfflineConsole, basic_headers, csrf_of, log_in
from writegate_console import users
from writegate_console.web.state.throttle import FREE_FAILURES, FREE_FAILURES_OF_NETWORK, LoginThrottle


def test_logging_in_gives_a_cookie_no_script_and_no_other_site_can_use(console: OfflineConsole) -> None:
    answer = log_in(console.client(), "olga")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert "Secure" in log_in(console.client(base="https://console"), "olga").headers["set-cookie"]


def test_logging_out_ends_the_session(console: OfflineConsole) -> None:
    client = console.client()
    log_in(client, "olga")
    token = client.cookies["writegate-session"]
    assert client.post("/logout", data={"csrf": "wrong"}).status_code == 303
    client.cookies.set("writegate-session", token)
    assert client.get("/api/v1/me").status_code == 200, "another site cannot log anybody out"
    client.post("/logout", data={"csrf": csrf_of(client)})
    client.cookies.set("writegate-session", token)
    assert client.get("/api/v1/me").status_code == 401


def test_whoever_is_removed_is_out(console: OfflineConsole) -> None:
    client = console.client()
    users.add_user(console.users, "gone", "operator", PASSWORD)
    log_in(client, "gone")
    assert client.get("/api/v1/me").json()["role"] == "operator"
    users.add_user(console.users, "gone", "reader", PASSWORD)
    assert client.get("/api/v1/me").json()["role"] == "reader"
    users.remove_user(console.users, "gone")
    assert client.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "javascript:x"]
)
def test_logging_in_leads_to_no_other_site(console: OfflineConsole, target: str) -> None:
    answer = console.client().post("/login", data={"name": "olga", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/"


def test_guessing_passwords_is_slowed_by_user_and_address(console: OfflineConsole) -> None:
    now = [0.0]
    console.app.state.shared.throttle = LoginThrottle(lambda: now[0])
    client = console.client(address="10.9.9.9")
    for _ in range(FREE_FAILURES + 1):
        assert log_in(client, "olga", "wrong password").status_code == 401
    stopped = log_in(client, "olga")
    assert (stopped.status_code, stopped.headers["retry-after"]) == (429, "1"), "the right password has to wait as well"
    other = console.client(address="10.8.8.8")
    assert client.get("/api/v1/me", headers=basic_headers("olga")).status_code == 429
    assert log_in(other, "olga").status_code == 303, "who knows the password gets in from elsewhere"
    assert log_in(client, "rita").status_code == 303, "others there are left alone"
    now[0] = 2.0
    assert log_in(client, "olga").status_code == 303


def test_guessing_the_names_of_many_is_slowed_by_address(console: OfflineConsole) -> None:
    throttle = console.app.state.shared.throttle
    for number in range(FREE_FAILURES_OF_NETWORK + 1):
        throttle.failed(f"user {number}", "10.9.9.9")
    assert log_in(console.client(address="10.9.9.9"), "rita").status_code == 429
    assert log_in(console.client(address="10.8.8.8"), "rita").status_code == 303


def test_the_answer_does_not_show_whether_there_is_such_a_user(console: OfflineConsole) -> None:
    answers = [log_in(console.client(), name, "wrong password").text.replace(name, "") for name in ("olga", "nobody")]
    assert answers[0] == answers[1]


def test_a_form_that_is_too_much_is_refused(console: OfflineConsole) -> None:
    client = console.client()
    assert client.post("/login", content=b"x" * (1024 * 1024 + 1)).status_code == 413
    assert client.post("/login", content=b"\xff\xfe=1").status_code == 400
    assert client.post("/login", content="&".join(["a=1"] * 3000).encode()).status_code == 400


def test_http_basic_takes_passwords_with_any_characters_and_refuses_what_cannot_be_read(
    console: OfflineConsole,
) -> None:
    password = "größer als zwölf Zeichen ✓"
    users.add_user(console.users, "zoe", "operator", password)
    assert console.client().get("/api/v1/me", headers=basic_headers("zoe", password)).json()["name"] == "zoe"
    for unreadable in ("Basic !", "Basic /w==", "Basic bm9jb2xvbg=="):
        answer = console.client().get("/api/v1/me", headers={"Authorization": unreadable})
        assert (answer.status_code, 'charset="UTF-8"' in answer.headers["www-authenticate"]) == (401, True)
    assert console.client().get("/api/v1/me", headers={"Authorization": "Bearer x"}).status_code == 401
