"""Who may look at the console and act by it, and what attackers get. Without servers: it works without a database."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.asgi import Asking
from writegate.config import Settings
from writegate.contract.operations import Hold, Operation
from writegate.errors import SettingsError
from writegate_console import users
from writegate_console.users import User
from writegate_console.web.application import application
from writegate_console.web.security.headers import POLICY
from writegate_console.web.security.proxies import Proxies
from writegate_console.web.security.throttle import FREE, Throttle

PASSWORD = "correct horse battery"
NOBODY_LISTENS = "127.0.0.1:1"
ROOT = Path(__file__).parents[1] / "src/writegate_console/web"


class Gate:
    """A console whose database is away, and whose writer does whatever it is asked."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.done: list[Operation] = []
        path = directory / "users.json"
        users.add(path, "olga", "operator", PASSWORD)
        users.add(path, "rita", "reader", PASSWORD)
        loaded = Settings.load(
            {
                "WRITEGATE_DATABASE_URL": f"postgresql://nobody:nothing@{NOBODY_LISTENS}/none",
                "WRITEGATE_BROKER_URL": f"amqp://nobody:nothing@{NOBODY_LISTENS}/",
                "WRITEGATE_CONSOLE_USERS": str(path),
                **settings,
            }
        )
        self.app = application(loaded, self._operate)
        self.users = path

    def _operate(self, operation: Operation) -> dict[str, Any]:
        self.done.append(operation)
        return {"done": 0, "last": 0, "skipped": {}}

    def browser(self, **more: Any) -> Asking:
        return Asking(self.app, **more)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("console"))
    yield gate
    gate.app.state.shared.close()


@pytest.fixture
def gate(shared: Gate) -> Gate:
    shared.done.clear()
    shared.app.state.shared.throttle = Throttle()
    return shared


def log_in(browser: Asking, name: str, password: str = PASSWORD) -> httpx.Response:
    return browser.post("/login", data={"name": name, "password": password, "next": "/"})


def csrf_of(browser: Asking) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get("/").text)
    assert found
    return found[1]


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


PAGES = ("/", "/services", "/services/x", "/commands/x", "/batches/1", "/parked", "/parked/1", "/audit", "/connections")
FORMS = ("/act/hold", "/act/release", "/act/replay", "/act/drop", "/act/rehearse", "/act/edit/1")
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
    "audit",
)
POSTS: dict[str, dict[str, Any]] = {
    "holds": {"target": "flights", "reason": "x"},
    "releases": {"target": "flights", "reason": "x"},
    "rehearsals": {"selection": {}, "reason": "x"},
    "replays": {"selection": {}, "reason": "x"},
    "drops": {"selection": {}, "reason": "x"},
    "parked/1/edits": {"fields": {}, "was": "", "reason": "x"},
}


def test_nobody_sees_anything_without_logging_in(gate: Gate) -> None:
    browser = gate.browser()
    for path in PAGES:
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"].startswith("/login?next=")) == (303, True), path
    assert [browser.get(f"/api/v1/{path}").status_code for path in READS] == [401] * len(READS)
    assert [browser.post(f"/api/v1/{path}", json=body).status_code for path, body in POSTS.items()] == [401] * len(
        POSTS
    )
    assert [browser.post(path).status_code for path in FORMS] == [401] * len(FORMS)
    assert browser.get("/events").status_code == 401
    assert gate.done == []


def test_every_answer_forbids_what_is_not_ours(gate: Gate) -> None:
    browser = gate.browser()
    for path in ("/login", "/", "/static/live.js", "/livez", "/api/v1/me", "/nothing"):
        answer = browser.get(path)
        assert answer.headers["content-security-policy"] == POLICY, path
        assert (answer.headers["x-frame-options"], answer.headers["x-content-type-options"]) == ("DENY", "nosniff")
        assert "strict-transport-security" not in answer.headers
    assert "unsafe" not in POLICY
    assert POLICY.startswith("default-src 'none'")
    assert "strict-transport-security" in gate.browser(base="https://console").get("/login").headers


def test_pages_are_kept_by_nobody_and_files_of_a_version_for_ever(gate: Gate) -> None:
    browser = gate.browser()
    kept = {
        path: browser.get(path).headers["cache-control"]
        for path in ("/login", "/api/v1/me", "/static/live.js", "/static/no")
    }
    assert kept.pop("/static/live.js") == "max-age=31536000, immutable"
    assert set(kept.values()) == {"no-store"}


def test_templates_have_nothing_inline_and_switch_no_escaping_off() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:|\|\s*safe|autoescape|https?://", text), path.name
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), path.name
        for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL):
            assert 'name="csrf"' in form or 'action="/login"' in form, path.name


def test_scripts_load_nothing_from_elsewhere() -> None:
    for path in (ROOT / "static").glob("*.js"):
        assert not re.search(r"https?:|import\s*\(|eval\(|new Function", path.read_text()), path.name


def test_logging_in_gives_a_cookie_no_script_and_no_other_site_can_use(gate: Gate) -> None:
    answer = log_in(gate.browser(), "olga")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert "Secure" in log_in(gate.browser(base="https://console"), "olga").headers["set-cookie"]


def test_the_page_is_usable_without_a_database(gate: Gate) -> None:
    browser = gate.browser()
    log_in(browser, "olga")
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "The database is away." in answer.text
    for path in PAGES[1:]:
        answer = browser.get(path)
        assert (answer.status_code, "the database is away" in answer.text) == (503, True), path
    assert browser.get("/api/v1/overview").status_code == 503
    assert browser.get("/readyz").json() == {"ready": True, "database": False, "broker": True}


def test_logging_out_ends_the_session(gate: Gate) -> None:
    browser = gate.browser()
    log_in(browser, "olga")
    token = browser.cookies["writegate-session"]
    assert browser.post("/logout", data={"csrf": "wrong"}).status_code == 303
    browser.cookies.set("writegate-session", token)
    assert browser.get("/api/v1/me").status_code == 200, "another site cannot log anybody out"
    browser.post("/logout", data={"csrf": csrf_of(browser)})
    browser.cookies.set("writegate-session", token)
    assert browser.get("/api/v1/me").status_code == 401


def test_whoever_is_removed_is_out(gate: Gate) -> None:
    browser = gate.browser()
    users.add(gate.users, "gone", "operator", PASSWORD)
    log_in(browser, "gone")
    assert browser.get("/api/v1/me").json()["role"] == "operator"
    users.add(gate.users, "gone", "reader", PASSWORD)
    assert browser.get("/api/v1/me").json()["role"] == "reader"
    users.remove(gate.users, "gone")
    assert browser.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "javascript:x"]
)
def test_logging_in_leads_to_no_other_site(gate: Gate, target: str) -> None:
    answer = gate.browser().post("/login", data={"name": "olga", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/"


def test_a_form_of_another_site_does_nothing(gate: Gate) -> None:
    browser = gate.browser()
    log_in(browser, "olga")
    for token in ("", "wrong", csrf_of_another(gate)):
        for path in FORMS:
            answer = browser.post(path, data={"csrf": token, "target": "flights", "reason": "x"})
            assert answer.status_code == 403, path
    good = {"csrf": csrf_of(browser), "target": "flights", "reason": "x"}
    for elsewhere in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        for path in (*FORMS, "/login", "/logout"):
            assert browser.post(path, data=good, headers=elsewhere).status_code == 403, path
    for path, body in POSTS.items():
        assert browser.post(f"/api/v1/{path}", json=body).status_code == 403, path
        assert browser.post(f"/api/v1/{path}", json=body, headers={"X-CSRF-Token": "wrong"}).status_code == 403
    assert gate.done == []


def test_a_password_is_not_used_for_another_site_and_an_empty_selection_is_not_all(gate: Gate) -> None:
    browser = gate.browser()
    body = {"target": "flights", "reason": "x"}
    elsewhere = {**basic("olga"), "Sec-Fetch-Site": "cross-site"}
    assert browser.post("/api/v1/releases", json=body, headers=elsewhere).status_code == 403
    for path in ("replays", "drops"):
        asked = browser.post(f"/api/v1/{path}", json={"selection": {}, "reason": "x"}, headers=basic("olga"))
        assert (asked.status_code, "the selection is empty" in asked.text) == (422, True)
    assert gate.done == []


def csrf_of_another(gate: Gate) -> str:
    other = gate.browser()
    log_in(other, "rita")
    return csrf_of(other)


def test_the_token_is_what_makes_the_difference(gate: Gate) -> None:
    browser = gate.browser()
    log_in(browser, "olga")
    asked = {"csrf": csrf_of(browser), "target": "flights", "reason": "because"}
    assert browser.post("/act/release", data=asked).status_code == 303
    body, token = {"target": "flights", "reason": "because"}, {"X-CSRF-Token": browser.get("/api/v1/me").json()["csrf"]}
    assert browser.post("/api/v1/releases", json=body, headers=token).status_code == 201
    assert browser.post("/api/v1/releases", json=body, headers=basic("olga")).status_code == 201
    assert [(one.by, one.reason) for one in gate.done] == [("olga", "because")] * 3
    assert not any(isinstance(one, Hold) for one in gate.done)


def test_a_reader_is_refused_each_action(gate: Gate) -> None:
    browser = gate.browser()
    log_in(browser, "rita")
    csrf = csrf_of(browser)
    for path in FORMS:
        assert browser.post(path, data={"csrf": csrf, "target": "flights", "reason": "x"}).status_code == 403, path
    for action in ("hold", "release", "replay", "drop"):
        assert browser.get(f"/act/{action}").status_code == 403, action
    for path, body in POSTS.items():
        for headers in ({"X-CSRF-Token": csrf}, basic("rita")):
            answer = browser.post(f"/api/v1/{path}", json=body, headers=headers)
            assert (answer.status_code, "takes the role operator" in answer.json()["detail"]) == (403, True), path
    assert gate.done == []


def test_guessing_passwords_is_slowed_by_user_and_by_address(gate: Gate) -> None:
    now = [0.0]
    gate.app.state.shared.throttle = Throttle(lambda: now[0])
    browser = gate.browser(address="10.9.9.9")
    for _ in range(FREE + 1):
        assert log_in(browser, "olga", "wrong password").status_code == 401
    stopped = log_in(browser, "olga")
    assert (stopped.status_code, stopped.headers["retry-after"]) == (429, "1"), "the right one has to wait as well"
    other = gate.browser(address="10.8.8.8")
    assert log_in(other, "olga").status_code == 429, "from elsewhere"
    assert log_in(browser, "rita").status_code == 429, "for another user"
    assert browser.get("/api/v1/me", headers=basic("nobody")).status_code == 429
    assert log_in(other, "rita").status_code == 303, "others are left alone"
    now[0] = 2.0
    assert log_in(browser, "olga").status_code == 303


def test_the_answer_does_not_tell_whether_there_is_such_a_user(gate: Gate) -> None:
    answers = [log_in(gate.browser(), name, "wrong password").text.replace(name, "") for name in ("olga", "nobody")]
    assert answers[0] == answers[1]


PROXIED = {"WRITEGATE_CONSOLE_PROXIES": "10.1.0.0/16"}


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.1.2.3", {"x-remote-user": "ann", "x-remote-role": "operator"}, User("ann", "operator")),
        ("::ffff:10.1.2.3", {"x-remote-user": "ann"}, User("ann", "reader")),
        ("10.1.2.3", {"x-remote-user": "ann", "x-remote-role": "admin"}, User("ann", "reader")),
        ("10.1.2.3", {}, None),
        ("10.1.2.3", {"x-remote-user": "a\nb"}, None),
        ("10.2.2.3", {"x-remote-user": "ann", "x-remote-role": "operator"}, None),
        ("", {"x-remote-user": "ann"}, None),
        # What a forwarded request says of its address is not who is at the other end.
        ("10.2.2.3", {"x-remote-user": "ann", "x-forwarded-for": "10.1.2.3"}, None),
    ],
)
def test_only_a_trusted_proxy_says_who_somebody_is(peer: str, headers: dict[str, str], expected: User | None) -> None:
    proxies = Proxies(Settings.load(PROXIED))
    assert proxies.visitor(peer, "http", headers).user == expected


def test_a_trusted_proxy_tells_address_and_scheme_and_others_do_not() -> None:
    proxies = Proxies(Settings.load(PROXIED))
    told = {"x-forwarded-for": "1.1.1.1, 9.9.9.9", "x-forwarded-proto": "https"}
    trusted, other = proxies.visitor("10.1.0.1", "http", told), proxies.visitor("10.2.0.1", "http", told)
    assert (trusted.address, trusted.https) == ("9.9.9.9", True)
    assert (other.address, other.https) == ("10.2.0.1", False)
    with pytest.raises(SettingsError, match="expected addresses or networks"):
        Settings.load({"WRITEGATE_CONSOLE_PROXIES": "everybody"})


def test_a_forged_header_is_nothing_and_a_real_one_needs_the_token_too(tmp_path: Path) -> None:
    gate = Gate(tmp_path, **PROXIED)
    forged = {"X-Remote-User": "olga", "X-Remote-Role": "operator"}
    outside = gate.browser(address="10.2.0.1", headers=forged)
    assert outside.get("/api/v1/me").status_code == 401
    assert outside.get("/").status_code == 303
    inside = gate.browser(address="10.1.0.1", headers=forged)
    assert inside.get("/api/v1/me").json()["name"] == "olga"
    body = {"target": "flights", "reason": "x"}
    assert inside.post("/api/v1/releases", json=body).status_code == 403
    assert inside.post("/act/release", data=body).status_code == 403
    csrf = inside.get("/api/v1/me").json()["csrf"]
    assert inside.post("/api/v1/releases", json=body, headers={"X-CSRF-Token": csrf}).status_code == 201
    other = gate.browser(address="10.1.0.1", headers={**forged, "X-Remote-User": "mallory"})
    assert other.post("/api/v1/releases", json=body, headers={"X-CSRF-Token": csrf}).status_code == 403
    assert len(gate.done) == 1
    gate.app.state.shared.close()


def test_a_form_that_is_too_much_is_refused(gate: Gate) -> None:
    browser = gate.browser()
    assert browser.post("/login", content=b"x" * (1024 * 1024 + 1)).status_code == 413
    assert browser.post("/login", content=b"\xff\xfe=1").status_code == 400
    assert browser.post("/login", content="&".join(["a=1"] * 3000).encode()).status_code == 400


def test_users_are_added_listed_and_removed_on_the_command_line(tmp_path: Path) -> None:
    path, secret = tmp_path / "users.json", tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "writegate", "console", "user", *arguments]
        environment = {"WRITEGATE_CONSOLE_USERS": str(path)}
        return subprocess.run(command, env=environment, input="short\n", capture_output=True, text=True, check=False)

    assert run("add", "ann", "--role", "operator", "--password-file", str(secret)).returncode == 0
    assert users.Users(path).check("ann", PASSWORD) == User("ann", "operator")
    refused = run("add", "bob")
    assert (refused.returncode, "at least 12 characters" in refused.stderr) == (1, True)
    assert json.loads(run("list", "--json").stdout) == [{"name": "ann", "role": "operator"}]
    assert run("remove", "ann").returncode == 0
    assert (run("remove", "ann").returncode, path.read_text()) == (1, "{}\n")
