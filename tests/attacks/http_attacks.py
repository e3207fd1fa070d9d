"""Attacks by HTTP: on the console, on the services' applications, and on a writer's health port."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.request import ProxyHandler, build_opener

import psutil

from tests.attacks.attack import Attack
from tests.attacks.clients import PASSWORD, read_answer, status_of
from tests.attacks.neighbour import Call
from tests.attacks.sender import send_large, send_logins, send_searches, send_waiting
from tests.attacks.sites import (
    CONSOLE,
    DJANGO,
    FASTAPI,
    OPERATOR,
    READER,
    Site,
    site_running,
)
from tests.attacks.target import Target
from tests.deadlines import patient
from writegate.integrations.uvicorn import HEAD_SECONDS
from writegate_devkit.stack.readiness import wait_until

PATIENCE_SECONDS: Final = patient(90)
MEGABYTE: Final = 1_000_000
LARGE_BYTES: Final = 150 * MEGABYTE
MOST_GROWTH_BYTES: Final = 60 * MEGABYTE
HALF: Final = 400
LOGINS: Final = 300
CALLS: Final = 12
SEARCHERS: Final = 6
SEARCH_SECONDS: Final = 3.0
PARKED: Final = 20_000

_open = build_opener(ProxyHandler({})).open


@dataclass
class OnSite:
    """An attack on a site, with somebody else as the neighbour. ``calls``: what the neighbour asks for, in turn."""

    module: tuple[str, ...]
    attack: Callable[[Target, Site], str]
    calls: Sequence[str]
    prepare: Callable[[Target], None] = lambda _: None
    _site: list[Site] = field(default_factory=list)

    def run(self, target: Target) -> str:
        """Attack the site that is running."""
        return self.attack(target, self._site[-1])

    @contextmanager
    def neighbour(self, target: Target) -> Iterator[Call]:
        """Start the site; yield a call of an operator, or of a user of the service."""
        self.prepare(target)
        with site_running(target, self.module) as site:
            headers = {"Cookie": site.session(OPERATOR)} if self.module is CONSOLE else {}
            with site.client.session(**headers) as client:

                def call() -> None:
                    for path in self.calls:
                        body = None if path.startswith("/livez") or self.module is CONSOLE else b'{"seq": 1}'
                        answer = client.get(path) if body is None else client.post(path, content=body)
                        assert answer.status_code in {200, 202}, f"{path}: {answer.status_code} {answer.text[:300]}"

                self._site.append(site)
                try:
                    yield call
                finally:
                    self._site.pop()


_CONSOLE_CALLS: Final = ("/", "/livez")
_SERVICE_CALLS: Final = ("/livez", "/accounts/neighbour/deposits")


def large_bodies(paths: Sequence[str]) -> Callable[[Target, Site], str]:
    """150 MB to each address, with their length and in chunks. They were read whole, and parsed, for anybody."""

    def attack(target: Target, site: Site) -> str:
        before = site.peak_bytes()
        statuses: Counter[int] = Counter()
        for path in paths:
            for chunked in (False, True):
                sent = target.sender.submit(send_large, site.client, path, LARGE_BYTES, chunked=chunked)
                statuses[sent.result(PATIENCE_SECONDS)] += 1
        grown = (site.peak_bytes() - before) / MEGABYTE
        assert grown * MEGABYTE <= MOST_GROWTH_BYTES, f"it took {grown:.0f} MB more"
        # 0: it closed the connection before all was sent, as it may.
        assert set(statuses) <= {0, 401, 411, 413}, statuses
        return f"{len(paths) * 2} of 150 MB, {grown:.0f} MB more"

    return attack


def many_logins(target: Target, site: Site) -> str:
    """300 log-ins at once, from as many addresses, half of them right: the console was silent for a minute."""
    began = time.monotonic()
    statuses = target.sender.submit(send_logins, site.client, READER, LOGINS).result(PATIENCE_SECONDS)
    assert set(statuses) <= {303, 401, 429, 503}, statuses
    assert statuses[303] > 0, statuses
    return f"{statuses[303]} got in, {statuses[503]} were told to wait, in {time.monotonic() - began:.0f} s"


def guesses(_: Target, site: Site) -> str:
    """Wrong passwords for somebody who is known: they were kept out, with the right one, everywhere."""
    for _attempt in range(20):
        with closing(site.client.log_in(OPERATOR, "127.2.0.1", "wrong")) as connection:
            assert status_of(read_answer(connection)) in {401, 429}
    with closing(site.client.log_in(OPERATOR, "127.2.0.1")) as connection:
        assert status_of(read_answer(connection)) == 429, "who guesses may go on"
    with closing(site.client.log_in(OPERATOR, "127.2.0.2")) as connection:
        assert status_of(read_answer(connection)) == 303, "they are kept out elsewhere"
    return "kept out there, not elsewhere"


def half_sent(path: bytes) -> Callable[[Target, Site], str]:
    """400 requests without an end: they stayed for ever, and each had a thread of Django's."""
    return lambda _, site: _half_sent(site, path)


def _half_sent(site: Site, path: bytes) -> str:
    with ExitStack() as sent:
        heads = [
            sent.enter_context(closing(site.client.send(b"POST /login HTTP/1.1\r\nHost: h\r\nX-Never: end")))
            for _ in range(HALF // 2)
        ]
        for _number in range(HALF // 2):
            body = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{" % path
            sent.enter_context(closing(site.client.send(body)))
        began = time.monotonic()
        left = list(heads)

        def all_ended() -> bool:
            left[:] = [connection for connection in left if not _ended(connection)]
            return not left

        assert wait_until(all_ended, HEAD_SECONDS + PATIENCE_SECONDS), f"{len(left)} stay"
        return f"ended after {time.monotonic() - began:.0f} s"


def _ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(65_536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def waiting_calls(target: Target, site: Site) -> str:
    """12 calls that wait for what does not come: they took all threads of Django's."""
    database = target.gate.database
    database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial key=waited', 'a test', 'me')")
    already = len(database.entries("waited")["waited"])

    began = time.monotonic()
    seqs = range(already, already + CALLS)
    statuses = target.sender.submit(send_waiting, site.client, "/accounts/waited/deposits", seqs).result(
        PATIENCE_SECONDS
    )
    assert statuses == {202: CALLS}, statuses
    database.sql("DELETE FROM writegate.hold WHERE holder = 'me'")
    target.gate.wait(lambda: len(database.entries("waited")["waited"]) == already + CALLS, "the calls that waited")
    return f"{CALLS} answered within {time.monotonic() - began:.0f} s"


def fill_parked(target: Target) -> None:
    """Have many parked commands, whose text is long to search."""
    target.gate.database.sql(
        "INSERT INTO writegate.parked (parked_at, service, lane, id, task, version, key, hash, cause, message, "
        "headers, raw) SELECT clock_timestamp(), 'searched', 0, gen_random_uuid(), 'searched.task', 1, 'key ' || n, n, "
        "'sqlstate-23505', repeat('why ', 50), '{\"parent_id\": null}', convert_to(repeat('text ' || n, 200), 'UTF8') "
        f"FROM generate_series(1, {PARKED}) n"
    )


def searches(target: Target, site: Site) -> str:
    """Six searches of a reader at a time, each through every text: an operator's page waited for all of them."""
    sent = target.sender.submit(send_searches, site.client, READER, PASSWORD, SEARCHERS, SEARCH_SECONDS)
    statuses = sent.result(PATIENCE_SECONDS)
    assert set(statuses) <= {200, 429, 503}, statuses
    return f"{statuses.total()} searches, {statuses[503]} refused"


def half_sent_to_health(target: Target) -> str:
    """400 half-sent requests to a writer's health port: each had a thread. It listened on all addresses."""
    writer = next(iter(target.gate.writers.values()))
    host, port = writer.address.split(":")
    process = psutil.Process(writer.process.pid)
    listens = {
        connection.laddr.ip
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == int(port)
    }
    assert listens == {"127.0.0.1"}, listens
    before = process.num_threads()
    with ExitStack() as sent:
        for _ in range(HALF):
            connection = socket.create_connection((host, int(port)), PATIENCE_SECONDS)
            sent.enter_context(closing(connection))
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\nX-Never: end")
        began = time.monotonic()
        with _open(f"http://{writer.address}/livez", timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 200
        took = time.monotonic() - began
        assert took < patient(2), f"a probe took {took:.1f} s"
        threads = process.num_threads() - before
    assert threads <= 4, f"{threads} threads more"
    return f"{threads} threads more, a probe took {took * 1000:.0f} ms"


_CONSOLE_BODIES = large_bodies(("/login", "/api/v1/holds", "/act/hold"))
_SERVICE_BODIES = large_bodies(("/accounts/large/deposits",))

_ON_SITES: Final = (
    ("large bodies to the console", OnSite(CONSOLE, _CONSOLE_BODIES, _CONSOLE_CALLS)),
    ("large bodies to FastAPI", OnSite(FASTAPI, _SERVICE_BODIES, _SERVICE_CALLS)),
    ("large bodies to Django", OnSite(DJANGO, _SERVICE_BODIES, _SERVICE_CALLS)),
    ("300 log-ins at once", OnSite(CONSOLE, many_logins, _CONSOLE_CALLS)),
    ("wrong passwords for a known user", OnSite(CONSOLE, guesses, _CONSOLE_CALLS)),
    ("half-sent requests to the console", OnSite(CONSOLE, half_sent(b"/login"), _CONSOLE_CALLS)),
    ("half-sent requests to FastAPI", OnSite(FASTAPI, half_sent(b"/accounts/half/deposits"), _SERVICE_CALLS)),
    ("half-sent requests to Django", OnSite(DJANGO, half_sent(b"/accounts/half/deposits"), _SERVICE_CALLS)),
    ("calls that wait, to Django", OnSite(DJANGO, waiting_calls, _SERVICE_CALLS)),
    ("text searches of a reader", OnSite(CONSOLE, searches, ("/parked?service=shards", "/livez"), fill_parked)),
)

HTTP_ATTACKS: Final = (
    *(Attack(name, on_site.run, on_site.neighbour) for name, on_site in _ON_SITES),
    Attack("half-sent requests to the health port", half_sent_to_health),
)
