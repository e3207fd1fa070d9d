"""Who a request comes from, behind a proxy and with forged headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.offline_console import OfflineConsole
from writegate.config import Settings
from writegate.errors import SettingsError
from writegate_console.users import User
from writegate_console.web.security.proxies import Proxies

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
def test_only_a_trusted_proxy_names_the_user(peer: str, headers: dict[str, str], expected: User | None) -> None:
    proxies = Proxies(Settings.load(PROXIED))
    assert proxies.visitor(peer, "http", headers).user == expected


def test_a_trusted_proxy_sets_address_and_scheme_and_others_do_not() -> None:
    proxies = Proxies(Settings.load(PROXIED))
    headers = {"x-forwarded-for": "1.1.1.1, 9.9.9.9", "x-forwarded-proto": "https"}
    trusted, other = proxies.visitor("10.1.0.1", "http", headers), proxies.visitor("10.2.0.1", "http", headers)
    assert (trusted.address, trusted.https) == ("9.9.9.9", True)
    assert (other.address, other.https) == ("10.2.0.1", False)
    with pytest.raises(SettingsError, match="expected addresses or networks"):
        Settings.load({"WRITEGATE_CONSOLE_PROXIES": "everybody"})


def test_a_forged_header_is_nothing_and_a_real_one_needs_the_token_too(tmp_path: Path) -> None:
    console = OfflineConsole(tmp_path, **PROXIED)
    forged = {"X-Remote-User": "olga", "X-Remote-Role": "operator"}
    outside = console.client(address="10.2.0.1", headers=forged)
    assert outside.get("/api/v1/me").status_code == 401
    assert outside.get("/").status_code == 303
    inside = console.client(address="10.1.0.1", headers=forged)
    assert inside.get("/api/v1/me").json()["name"] == "olga"
    body = {"target": "flights", "reason": "x"}
    assert inside.post("/api/v1/releases", json=body).status_code == 403
    assert inside.post("/act/release", data=body).status_code == 403
    csrf = inside.get("/api/v1/me").json()["csrf"]
    assert inside.post("/api/v1/releases", json=body, headers={"X-CSRF-Token": csrf}).status_code == 201
    other = console.client(address="10.1.0.1", headers={**forged, "X-Remote-User": "mallory"})
    assert other.post("/api/v1/releases", json=body, headers={"X-CSRF-Token": csrf}).status_code == 403
    assert len(console.operations) == 1
    console.app.state.shared.close()
