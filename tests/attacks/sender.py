"""Sending from a process of its own: an attacker's machine is not the one that is attacked.

What is measured is what the attack makes the product do. A sender in the neighbour's process holds up the neighbour by
itself, and with the same priority it takes the processor that product and neighbour need: clients cost more than the
answers. So attacks of many clients, or of much data, send from a process with the lowest priority. It sends all the
same.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Final

from tests.attacks.clients import PATIENCE_SECONDS, Client, read_answer, status_of

LOWEST_PRIORITY: Final = 19
FEW_SECONDS: Final = 5
MEGABYTE: Final = 1_000_000


@contextmanager
def sender_running() -> Iterator[Executor]:
    """Yield what runs functions of this module in the sending process, which has imported all that it needs."""
    context = multiprocessing.get_context("spawn")  # a fork would share the connections of the target
    with ProcessPoolExecutor(1, context, initializer=_lower_priority) as executor:
        executor.submit(os.getpid).result()
        yield executor


def _lower_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)


def send_large(client: Client, path: str, size: int, *, chunked: bool) -> int:
    """Send a body of so many bytes, with its length or in chunks; return the answer's status, 0 without an answer."""
    how = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    head = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n%s\r\n\r\n" % (path.encode(), how)
    part = b"[" * MEGABYTE
    if chunked:
        part = b"%x\r\n%s\r\n" % (MEGABYTE, part)
    with closing(client.send(head)) as connection, suppress(ConnectionError):
        for _ in range(size // MEGABYTE):
            connection.sendall(part)
        connection.sendall(b"0\r\n\r\n" if chunked else b"")
        connection.settimeout(PATIENCE_SECONDS)
        return status_of(connection.recv(4096))
    return 0


def send_logins(client: Client, name: str, logins: int) -> Counter[int]:
    """Log in so many times at once, from as many addresses, each second time with a wrong password of its own."""
    with ExitStack() as sent:
        connections = []
        for number in range(logins):
            source = f"127.1.{number // 250}.{number % 250 + 1}"
            password = {"password": f"wrong for the {number}th"} if number % 2 else {}
            connections.append(sent.enter_context(closing(client.log_in(name, source, **password))))
        return Counter(status_of(read_answer(connection)) for connection in connections)


def send_waiting(client: Client, path: str, seqs: range) -> Counter[int]:
    """Make as many calls at once that ask for the outcome and wait for it for a few seconds."""

    def call(seq: int) -> int:
        with client.session(Prefer=f"wait={FEW_SECONDS}") as session:
            return session.post(path, content=b'{"seq": %d}' % seq).status_code

    with ThreadPoolExecutor(len(seqs)) as threads:
        return Counter(threads.map(call, seqs))


def send_searches(client: Client, name: str, password: str, searchers: int, seconds: float) -> Counter[int]:
    """Search for so long, so many at a time, each time for another text that nothing has."""
    credentials = b64encode(f"{name}:{password}".encode()).decode()
    until = time.monotonic() + seconds

    def search(number: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        with client.session(Authorization=f"Basic {credentials}") as session:
            while time.monotonic() < until:
                path = f"/api/v1/parked?text=nothing+{number}+{statuses.total()}"
                statuses[session.get(path).status_code] += 1
        return statuses

    with ThreadPoolExecutor(searchers) as threads:
        return sum(threads.map(search, range(searchers)), Counter[int]())
