"""From a process's first publish to its exit, with the servers and programs that services really run under."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.broker import DEADLINE_SECONDS, Vhost, vhost_of
from tests.checkout import ROOT
from tests.deadlines import patient
from tests.sample import LANES, Deposit, accounts
from tests.servers import OWNER, Servers
from writegate.config import Settings
from writegate.contract.lanes import lane_of
from writegate.message.topology import topology_of
from writegate.publishing import Publisher
from writegate_devkit.stack.readiness import wait_until

REQUESTS = 40


@pytest.fixture
def vhost(servers: Servers) -> Iterator[Vhost]:
    with vhost_of(servers, "lives") as made:
        made.declare(accounts)
        yield made


def environment(vhost: Vhost, spool: Path) -> dict[str, str]:
    return {**os.environ, "WRITEGATE_BROKER_URL": vhost.url(), "WRITEGATE_SPOOL_DIRECTORY": str(spool)}


def came(vhost: Vhost, key: str, count: int) -> set[str]:
    messages = vhost.take(accounts, lane_of(key, LANES), count)
    return {item.id for message in messages for item in message.items}


@contextmanager
def gunicorn(vhost: Vhost, spool: Path, *options: str) -> Iterator[str]:
    """The application under gunicorn; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "{}:{}".format(*free.getsockname())
    line = [sys.executable, "-m", "gunicorn", "tests.integration.preloaded_site:application", "--bind", address]
    log = (spool / "gunicorn.log").open("w")
    with log, subprocess.Popen(
        [*line, "--no-control-socket", "--graceful-timeout", "5", *options],
        cwd=ROOT, env=environment(vhost, spool / "spool"), stdout=log, stderr=log, start_new_session=True,
    ) as server:  # fmt: skip
        try:
            yield f"http://{address}"
            server.send_signal(signal.SIGTERM)
            server.wait(DEADLINE_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # whatever is left of it


def listens(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    with suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False


@pytest.mark.parametrize(
    ("options", "together"),
    [
        ("-k gevent --preload", REQUESTS),
        ("-k gevent", REQUESTS),
        ("-k gthread --threads 8 --preload --workers 2", 1),  # nobody knows which worker gets how many
    ],
)
def test_the_first_requests_under_gunicorn_come_together_and_all_are_published(
    vhost: Vhost, tmp_path: Path, options: str, together: int
) -> None:
    def ask(_: int) -> str:
        with httpx.Client(transport=httpx.HTTPTransport()) as client:
            answer = client.get(f"{address}/?account=k&together={together}", timeout=patient(30))
        return answer.raise_for_status().text

    with gunicorn(vhost, tmp_path, *options.split()) as address, ThreadPoolExecutor(REQUESTS) as threads:
        assert wait_until(lambda: listens(address), DEADLINE_SECONDS)
        answers = [answer.split() for answer in threads.map(ask, range(REQUESTS))]
    assert {how for how, _ in answers} == {"confirmed"}
    assert came(vhost, "k", REQUESTS) == {command_id for _, command_id in answers}


AT_EXIT = """
import atexit

def early():
    print("early", publish(Deposit(account="k", amount=1)).command_id)

def late():
    print("late", publish(Deposit(account="k", amount=2)).command_id)

{before}
from tests.sample import Deposit
from writegate import publish
{after}
print("first", publish(Deposit(account="k", amount=3)).command_id)
"""


_EARLY, _LATE = "atexit.register(early)", "atexit.register(late)"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "atexit.register(late)"),
        ("atexit.register(early)", ""),
        ("atexit.register(early)", "atexit.register(late)"),
    ],
    ids=["after the import", "before the import", "both"],
)
def test_handlers_at_exit_publish_whenever_they_were_registered(
    vhost: Vhost, tmp_path: Path, before: str, after: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT.format(before=before, after=after)],
        cwd=ROOT, env=environment(vhost, tmp_path), capture_output=True, text=True, check=False, timeout=patient(60),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    printed = dict(line.split() for line in done.stdout.splitlines())
    assert set(printed) == {"first", *(["early"] if before else []), *(["late"] if after else [])}
    assert came(vhost, "k", len(printed)) == set(printed.values())


@pytest.mark.parametrize("path", ["//", "/", "", "/%2f"])
def test_the_vhost_is_the_one_that_celery_means(servers: Servers, tmp_path: Path, path: str) -> None:
    url = servers.broker_url(OWNER, "").rpartition("/")[0] + path
    settings = Settings.load({"WRITEGATE_BROKER_URL": url, "WRITEGATE_SPOOL_DIRECTORY": str(tmp_path)})
    vhost = Vhost(servers, "/")
    vhost.declare(accounts)
    with Publisher(settings) as publisher:
        assert publisher.publish(Deposit(account="k", amount=1)).accepted_by == "confirmed"
    assert came(vhost, "k", 1)
    with vhost.channel() as channel:  # it is everybody's: leave nothing
        for queue in topology_of(accounts).queues:
            channel.queue_delete(queue.name)
