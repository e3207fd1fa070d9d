"""The headers of every answer, and what templates and scripts may contain."""

from __future__ import annotations

import re
from pathlib import Path

from tests.offline_console import OfflineConsole
from writegate_console.web.security.headers import POLICY

ROOT = Path(__file__).parents[2] / "src/writegate_console/web"


def test_every_answer_forbids_what_is_not_ours(console: OfflineConsole) -> None:
    client = console.client()
    for path in ("/login", "/", "/static/live.js", "/livez", "/api/v1/me", "/nothing"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"] == POLICY, path
        assert (answer.headers["x-frame-options"], answer.headers["x-content-type-options"]) == ("DENY", "nosniff")
        assert "strict-transport-security" not in answer.headers
    assert "unsafe" not in POLICY
    assert POLICY.startswith("default-src 'none'")
    assert "strict-transport-security" in console.client(base="https://console").get("/login").headers


def test_pages_are_not_cached_and_files_of_a_version_are_for_good(console: OfflineConsole) -> None:
    client = console.client()
    kept = {
        path: client.get(path).headers["cache-control"]
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
