"""The console of a running stack in a real browser: reading, holding, and finding, trying and replaying what failed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime

import psycopg2
import pytest

from flights.contract import RecordDeparture
from tests.browser import PROGRAM, Browser, browser_running, browsing
from tests.deadlines import patient
from writegate.config import Settings
from writegate.publishing import Publisher
from writegate_devkit.stack import Stack
from writegate_devkit.stack.environment import CONSOLE_USER
from writegate_devkit.stack.programs import console_users
from writegate_devkit.stack.readiness import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="no Chromium: `make setup` installs it where it may"),
]
PATIENCE_SECONDS = patient(90)
READER, PASSWORD = "rita", "a long password"
FEW_CORES = ("rabbitmq", "postgres", "writer-1", "flights", "fleet", "feed", "console")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("console") / "state")
    try:
        made.up(FEW_CORES)
        command = [sys.executable, "-m", "writegate", "console", "user", "add", READER]
        environment = {"WRITEGATE_CONSOLE_USERS": str(console_users(made.home))}
        subprocess.run(command, env=environment, input=PASSWORD, text=True, check=True, capture_output=True)
        yield made
    finally:
        made.down(wipe=True)


@pytest.fixture(scope="module")
def address(stack: Stack) -> str:
    return f"http://127.0.0.1:{stack.state.ports['console']}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[str]:
    """A browser for all tests, each of which has a tab of its own: to start one takes more than most of them do."""
    with browser_running() as started:
        yield started


@pytest.fixture
def browser(chromium: str, stack: Stack, address: str) -> Iterator[Browser]:
    with browsing(chromium) as opened:
        opened.screen(1440, 900)
        opened.log_in(address, CONSOLE_USER, stack.state.passwords[CONSOLE_USER])
        yield opened
        assert opened.console == [], "nothing was forbidden or failed in the browser"


def headline(browser: Browser, title: str) -> float:
    """Return a number of the first page's headline."""
    shown = browser.run(
        "Object.fromEntries([...document.querySelectorAll('.headline > div')]"
        ".map(item => [item.querySelector('dt').innerText, item.querySelector('dd').innerText]))"
    )
    found = re.match(r"[\d.,]+", shown[title])
    assert found, shown
    return float(found[0].replace(",", ""))


def departures(stack: Stack, *distances: int, carrier: str) -> None:
    """Publish departures as the service does; a distance below 1 is what the database refuses."""
    settings = {**stack.environment("flights"), "WRITEGATE_SPOOL_DIRECTORY": "off"}
    with Publisher(Settings.load(settings)) as publisher:
        publisher.publish_many(
            RecordDeparture(
                carrier=carrier, number=number, day=date(2026, 11, 21), origin="EWR", destination="IAH",
                distance=distance, scheduled_at=datetime(2026, 11, 21, 10, tzinfo=UTC),
            )
            for number, distance in enumerate(distances, 1)
        )  # fmt: skip


def flights_of(stack: Stack, carrier: str) -> int:
    connection = psycopg2.connect(stack.environment("reader")["WRITEGATE_DATABASE_URL"])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*)::int FROM flights.flight WHERE carrier = %s", [carrier])
            [count] = cursor.fetchone() or (0,)
            return int(count)
    finally:
        connection.close()


def too_wide(browser: Browser) -> list[str]:
    """Return what reaches beyond the right edge of the window, so that the page scrolls sideways."""
    found: list[str] = browser.run(
        "(edge => document.documentElement.scrollWidth <= edge ? [] : [...document.querySelectorAll('body *')]"
        ".filter(item => item.getBoundingClientRect().right > edge).map(item => item.outerHTML.slice(0, 200)))"
        "(document.documentElement.clientWidth)"
    )
    return found


def test_numbers_change_while_a_page_is_open(browser: Browser) -> None:
    browser.wait_text("live", "[data-pulse]")
    assert wait_until(lambda: headline(browser, "Commands a second") > 10, PATIENCE_SECONDS)
    seen = {browser.text("[data-part=services]")}
    assert wait_until(lambda: bool(seen - {browser.text("[data-part=services]")}), PATIENCE_SECONDS)
    browser.wait("document.querySelectorAll('.chart svg .line').length >= 4")
    for width in (1440, 768, 360):
        browser.screen(width, 800)
        assert not too_wide(browser), f"at {width} pixels"


def test_a_hidden_tab_asks_for_nothing(browser: Browser) -> None:
    browser.wait_text("live", "[data-pulse]")
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true}); "
    notify = "document.dispatchEvent(new Event('visibilitychange'))"
    browser.run(hide % "true" + notify)
    browser.wait_text("paused", "[data-pulse]")
    browser.run(hide % "false" + notify)
    browser.wait_text("live", "[data-pulse]")


def test_a_held_table_rests_until_it_is_released(stack: Stack, browser: Browser, address: str) -> None:
    browser.open(f"{address}/act/hold?target=table:flights.flight")
    assert "Commands that touch flights.flight are deferred in order" in browser.text("main")
    browser.fill("reason", "migration 12")
    browser.fill("for", "10m")
    browser.follow("Hold table:flights.flight")
    browser.wait_text("The hold is placed", ".banners")
    browser.screen(360, 800)
    browser.open(f"{address}/")
    browser.wait_text("migration 12", "[data-part=attention]")  # why, on a narrow screen as well
    assert not too_wide(browser)
    browser.screen(1440, 800)
    browser.wait_text("table:flights.flight", "[data-part=attention]")
    assert wait_until(lambda: headline(browser, "Deferred") > 0, PATIENCE_SECONDS), "what touches it is deferred"
    departures(stack, 100, carrier="HH")
    browser.open(f"{address}/act/release?target=table:flights.flight")
    assert "migration 12" in browser.text("main")
    assert flights_of(stack, "HH") == 0
    browser.fill("reason", "done")
    browser.follow("Release table:flights.flight")
    browser.wait_text("Nothing is held", "[data-part=attention]")
    assert wait_until(lambda: flights_of(stack, "HH") == 1, PATIENCE_SECONDS)
    assert wait_until(lambda: headline(browser, "Deferred") == 0, PATIENCE_SECONDS)
    browser.wait_text("migration 12", "[data-part=audit]")


def test_a_broken_command_is_found_tried_edited_and_replayed(stack: Stack, browser: Browser, address: str) -> None:
    departures(stack, 100, -5, 100, carrier="BB")
    assert wait_until(lambda: headline(browser, "Parked") == 1, PATIENCE_SECONDS)
    assert wait_until(lambda: flights_of(stack, "BB") == 2, PATIENCE_SECONDS)
    browser.follow("sqlstate-23514", "[data-part=attention]")
    browser.wait_text("flight_distance_check")
    browser.follow("Replay all 1")
    browser.follow("Preview")
    browser.wait_text("1 parked", ".preview")
    browser.wait_text("23514", ".preview")
    browser.open(f"{address}/parked?key=BB2/2026-11-21/EWR")
    number = browser.run("document.querySelector('td.n a').innerText")
    browser.follow(number)
    fields = json.loads(browser.run("document.querySelector('[name=fields]').value"))
    assert fields["distance"] == -5
    browser.fill("fields", json.dumps({**fields, "distance": 500}))
    browser.fill("reason", "a typing mistake")
    browser.follow("See what changes")
    assert re.search(r"distance\s+-5\s+500", browser.text("main table"))
    browser.follow("Edit this command")
    browser.wait_text("The command was edited", ".banners")
    browser.follow("Replay")
    browser.follow("Preview")
    browser.wait_text("1 applied", ".preview")
    browser.wait_text("flights.flight: 1 inserted", ".preview")
    assert flights_of(stack, "BB") == 2, "it was only tried"
    browser.fill("reason", "fixed")
    browser.follow("Replay 1")
    browser.wait_text("1 of 1")
    assert wait_until(lambda: flights_of(stack, "BB") == 3, PATIENCE_SECONDS)
    browser.open(address)
    assert wait_until(lambda: headline(browser, "Parked") == 0, PATIENCE_SECONDS)


def test_a_drain_ends(browser: Browser, address: str) -> None:
    browser.open(f"{address}/drain?target=weather")
    browser.wait_text("Drained", "[data-part=remaining]")


def test_a_reader_sees_all_and_is_refused_each_action(stack: Stack, chromium: str, address: str) -> None:
    with browsing(chromium) as browser:
        browser.log_in(address, READER, PASSWORD)
        browser.wait_text("Services and lanes")
        assert (
            browser.run('document.querySelectorAll(\'a[href^="/act/"], form[action^="/act/"][method=post]\').length')
            == 0
        )
        for action in ("hold?target=flights", "release", "parked/replay", "deferred/drop"):
            browser.open(f"{address}/act/{action}")
            assert "Not allowed" in browser.text("main")
        post = "fetch('/act/hold', {method: 'POST', body: 'target=flights&reason=x'}).then(answer => answer.status)"
        assert browser.run(post) == 403
    assert stack.pid("console")


def test_a_broker_that_does_not_answer_is_shown_and_the_page_goes_on(
    stack: Stack, browser: Browser, address: str
) -> None:
    browser.wait_text("live", "[data-pulse]")
    stack.stop("rabbitmq")
    try:
        browser.wait_text("The broker does not answer", ".banners")
        assert "Services and lanes" in browser.text("main")
        browser.open(f"{address}/parked")
        browser.wait_text("The broker does not answer", ".banners")
        browser.open(address)
        assert headline(browser, "Writer connections") >= 0
    finally:
        stack.start("rabbitmq")
    browser.wait("!document.body.innerText.includes('The broker does not answer')", PATIENCE_SECONDS)
    assert wait_until(lambda: headline(browser, "Commands a second") > 10, PATIENCE_SECONDS), "flights flow again"
    browser.console.clear()  # requests that failed meanwhile


def test_a_page_without_its_console_is_marked_stale(stack: Stack, browser: Browser) -> None:
    browser.wait_text("live", "[data-pulse]")
    stack.stop("console")
    try:
        browser.wait_text("stale", "[data-pulse]")
        browser.wait_text("The console does not answer", ".banners")
        assert "Services and lanes" in browser.text("main")
    finally:
        stack.start("console")
    browser.console.clear()
