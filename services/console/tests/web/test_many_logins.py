"""Many log-ins at once: a few wait for the checking of their passwords, and nobody else does."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.deadlines import patient
from tests.offline_console import PASSWORD, OfflineConsole, basic_headers, log_in
from writegate_console.users import User
from writegate_console.web.state.passwords import (
    MOST_WAITING,
    MOST_WAITING_OF_NETWORK,
    NICENESS,
    PasswordChecks,
)
from writegate_console.web.state.throttle import LoginThrottle

LOGINS = 300
PATIENCE_SECONDS = patient(60)


class Slow:
    """Checks passwords for as long as ``over`` is not set."""

    def __init__(self, console: OfflineConsole) -> None:
        self.over = threading.Event()
        self.checked = 0
        self.state = console.app.state.shared
        self._usual = self.state.passwords
        self.limit(MOST_WAITING)

    def limit(self, most_waiting: int) -> None:
        self.state.passwords = PasswordChecks(self._check, most_waiting)

    def _check(self, name: str, password: str) -> User | None:
        self.checked += 1
        assert self.over.wait(PATIENCE_SECONDS)
        return User(name, "reader") if password.startswith(PASSWORD) else None

    def close(self) -> None:
        self.over.set()
        self.state.passwords.close()
        self.state.passwords = self._usual


@pytest.fixture
def slow(console: OfflineConsole) -> Iterator[Slow]:
    made = Slow(console)
    yield made
    made.close()


async def send_logins(
    console: OfflineConsole, addresses: list[str], password: str | None = None
) -> list[asyncio.Task[httpx.Response]]:
    """Send a log-in from each address; return them when all have come so far as they do at once.

    ``password``: by default each has its own, since those alike are checked once.
    """

    async def send(address: str) -> httpx.Response:
        own = {"name": "olga", "password": password or f"{PASSWORD} {address}", "next": "/"}
        transport = httpx.ASGITransport(console.app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
            return await client.post("/login", data=own)

    sent = [asyncio.create_task(send(address)) for address in addresses]
    for _ in range(50):
        await asyncio.sleep(0)
    return sent


async def answers(console: OfflineConsole, path: str, token: str) -> int:
    transport = httpx.ASGITransport(console.app, client=("10.8.8.8", 1))
    cookies = {"writegate-session": token}
    async with httpx.AsyncClient(transport=transport, base_url="http://console", cookies=cookies) as client:
        return (await client.get(path, timeout=PATIENCE_SECONDS)).status_code


def test_the_console_answers_while_three_hundred_log_in(console: OfflineConsole, slow: Slow) -> None:
    token = slow.state.sessions.begin(User("olga", "operator"))
    addresses = [f"10.0.{number // 250}.{number % 250}" for number in range(LOGINS)]

    async def attack() -> list[int]:
        sent = await send_logins(console, addresses)
        for path in ("/livez", "/readyz", "/login", "/api/v1/me"):
            assert await answers(console, path, token) == 200, path
        assert await answers(console, "/", token) == 200
        await asyncio.wait_for(asyncio.gather(*sent[MOST_WAITING:]), PATIENCE_SECONDS)
        assert not any(login.done() for login in sent[:MOST_WAITING])
        slow.over.set()
        return [(await login).status_code for login in sent]

    assert sorted(asyncio.run(attack())) == [303] * MOST_WAITING + [503] * (LOGINS - MOST_WAITING)
    assert log_in(console.client(), "olga").status_code == 303, "places are free again"


def test_without_the_limit_all_of_them_wait(console: OfflineConsole, slow: Slow) -> None:
    slow.limit(10 * LOGINS)

    async def attack() -> list[int]:
        sent = await send_logins(console, [f"10.0.0.{number}" for number in range(100)])
        assert not any(login.done() for login in sent)
        slow.over.set()
        return [(await login).status_code for login in sent]

    assert set(asyncio.run(attack())) == {303}


def test_who_sends_many_leaves_places_for_others(console: OfflineConsole, slow: Slow) -> None:
    slow.state.throttle = LoginThrottle()

    async def attack() -> tuple[list[int], int]:
        # In one network of IPv6, by as many addresses.
        sent = await send_logins(console, [f"2001:db8::{number}" for number in range(100)])
        [other] = await send_logins(console, ["10.8.8.8"])
        assert not other.done()
        slow.over.set()
        return [(await login).status_code for login in sent], (await other).status_code

    statuses, other = asyncio.run(attack())
    assert sorted(statuses)[:MOST_WAITING_OF_NETWORK] == [303] * MOST_WAITING_OF_NETWORK
    assert set(statuses) <= {303, 429, 503}
    assert statuses.count(303) == MOST_WAITING_OF_NETWORK
    assert other == 303


def test_who_is_told_to_wait_learns_for_how_long(console: OfflineConsole, slow: Slow) -> None:
    slow.limit(0)
    for answer in (log_in(console.client(), "olga"), console.client().get("/api/v1/me", headers=basic_headers("olga"))):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(("password", "code"), [(PASSWORD, 303), ("wrong password", 401)])
def test_log_ins_alike_are_checked_once_and_count_once(
    console: OfflineConsole, slow: Slow, password: str, code: int
) -> None:
    logins = 2 * MOST_WAITING_OF_NETWORK

    async def attack() -> list[int]:
        [first] = await send_logins(console, ["10.8.8.8"], password)
        sent = [first, *await send_logins(console, ["10.8.8.8"] * logins, password)]
        sent[1].cancel()  # the others get their answers all the same
        slow.over.set()
        return [(await login).status_code for login in (first, *sent[2:])]

    assert asyncio.run(attack()) == [code] * logins
    assert slow.checked == 1
    assert slow.state.throttle.wait_seconds("olga", "10.8.8.8") == 0


def test_passwords_are_checked_with_a_low_priority_and_requests_are_not() -> None:
    found: list[int] = []

    def check_password(name: str, _: str) -> User:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return User(name, "operator")

    before = os.getpriority(os.PRIO_PROCESS, 0)
    checks = PasswordChecks(check_password)

    async def check() -> User | None:
        return await checks.check("10.8.8.8", "olga", PASSWORD)

    try:
        assert asyncio.run(check()) == User("olga", "operator")
        assert found == [max(before, NICENESS)]
        assert os.getpriority(os.PRIO_PROCESS, 0) == before
    finally:
        checks.close()
