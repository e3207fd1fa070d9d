"""`writegate status` beside a broker: what waits for nobody, how old it is, and rates of commands."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.certificates import Authority, Certificate
from tests.integration.gate import Gate, gate_running
from tests.integration.operator_shell import OperatorShell
from tests.relay import Link, Relay
from tests.servers import OWNER, Servers
from tests.services.trial.contract import Deposit
from writegate_devkit.stack.ports import choose

READER = "writegate_reader"
SAMPLE_SECONDS = 5.0  # between the broker's samples of a queue
MANY = 100  # commands in one message
# What `plan` says where it does not say the same: it asks as an administrator.
PLAN_SAYS = {"answered 401": "refused the log-in", "answered 404": "refused GET /api/users: 404"}


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_status") as running:
        yield running
        running.assert_drained()


@pytest.fixture(scope="module")
def shell(gate: Gate) -> OperatorShell:
    account = gate.environment(OWNER)["WRITEGATE_PASSWORD_WRITEGATE_READER"]
    management = urlsplit(gate.servers.broker_api_url)
    settings = {
        "WRITEGATE_DATABASE_URL": gate.servers.database_url(READER, gate.name),
        "WRITEGATE_BROKER_URL": gate.servers.broker_url(vhost=gate.name),
        "WRITEGATE_BROKER_API_URL": f"http://{READER}:{account}@{management.hostname}:{management.port}",
    }
    return OperatorShell(lambda: settings)


def trial(done: subprocess.CompletedProcess[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a status says of the service and of its lanes."""
    found = json.loads(done.stdout)
    lanes = [lane for lane in found["lanes"] if lane["service"] == "trial"]
    [out] = [out for out in found["out"] if out["service"] == "trial"]
    return out, lanes


def test_without_a_writer_status_says_so_and_how_long_the_oldest_command_waits(
    gate: Gate, shell: OperatorShell
) -> None:
    before = time.monotonic()
    gate.broker.publish([Deposit(account="status-waits", seq=0)])
    published = time.monotonic()

    def two_samples_old() -> bool:
        asked = time.monotonic()
        done = shell.run("status", "trial", "--json")
        answered = time.monotonic()
        assert done.returncode == 3, done.stderr
        out, lanes = trial(done)
        assert {lane["state"] for lane in lanes} == {"no writer"}
        oldest = out["oldest_seconds"]
        if oldest is None:  # the broker has not counted it yet
            return False
        # It is seen with the next sample, and a sample may be as old as the distance of two.
        assert asked - published - 3 * SAMPLE_SECONDS <= oldest <= answered - before
        return bool(oldest > 2 * SAMPLE_SECONDS)

    gate.wait(two_samples_old, "the command grows old")
    printed = shell.run("status")
    assert (printed.returncode, printed.stdout.partition(" serves ")[0]) == (3, "NO WRITER")


def test_with_writers_every_domain_is_served(gate: Gate, shell: OperatorShell) -> None:
    gate.writers.start()
    gate.database.wait_entries("status-waits", 1)
    gate.wait(lambda: shell.run("status").returncode == 0, "every domain has a writer")
    wrong = shell.run("status", "trail")
    assert (wrong.returncode, "did you mean trial?" in wrong.stderr) == (1, True)
    assert {lane["service"] for lane in json.loads(shell.do("status", "flights", "--json"))["lanes"]} == {"flights"}


class TlsRelay(Relay):
    """Shows a certificate, and passes what comes on in plain."""

    def __init__(self, certificate: Certificate, port: int) -> None:
        super().__init__(port)
        self._context = certificate.server_context()

    def link(self, client: socket.socket, server: socket.socket) -> Link:
        # The handshake comes with the first byte that is read, on the connection's own thread.
        return Link(self._context.wrap_socket(client, server_side=True, do_handshake_on_connect=False), server)


@pytest.fixture
def tls(gate: Gate, tmp_path: Path) -> Iterator[tuple[TlsRelay, Path]]:
    """The management API behind TLS, and the authority's certificate."""
    authority = Authority(tmp_path)
    relay = TlsRelay(authority.certificate("127.0.0.1", "IP"), urlsplit(gate.servers.broker_api_url).port or 0)
    yield relay, authority.own.file
    relay.close()


def test_a_broker_that_does_not_tell_is_named_and_ends_with_an_exit_code(
    gate: Gate, shell: OperatorShell, tls: tuple[TlsRelay, Path], tmp_path: Path
) -> None:
    if "writer-1" not in gate.writers:
        gate.writers.start()
    gate.wait(lambda: shell.run("status").returncode == 0, "every domain has a writer")
    usual, (relay, authority) = shell.settings(), tls
    plain = usual["WRITEGATE_BROKER_API_URL"]
    secure = relay.in_place(f"{plain}/").replace("http://", "https://")
    stranger = Authority(tmp_path, "stranger").own.file
    wrong: dict[str, dict[str, str]] = {
        "unable to get local issuer certificate": {"url": secure, "authority": str(stranger)},
        "certificates of SSL_CERT_FILE": {"url": secure, "authority": str(tmp_path / "none.pem")},
        "answered 401": {"url": plain.replace(f"{READER}:", f"{READER}:x")},
        "Connection refused": {"url": f"http://{READER}:x@127.0.0.1:{choose(('closed',), {})['closed']}"},
        "[SSL": {"url": plain.replace("http://", "https://")},
        "does not answer": {"url": secure.replace("https://", "http://")},
        "answered 404": {"url": f"http://{READER}:x@{gate.writers['writer-1'].address}"},
    }
    for said, given in wrong.items():
        settings = {**usual, "WRITEGATE_BROKER_API_URL": given["url"], "SSL_CERT_FILE": given.get("authority", "")}
        unable = OperatorShell(settings.copy)
        status = unable.run("status")
        assert (status.returncode, "NOTHING FROM THE BROKER" in status.stdout, said in status.stdout) == (
            4, True, True,
        ), f"{said}: {status.stdout}{status.stderr}"  # fmt: skip
        assert json.loads(unable.run("status", "--json").stdout)["broker"]
        owner = gate.environment(
            OWNER, **{name: settings[name] for name in ("WRITEGATE_BROKER_API_URL", "SSL_CERT_FILE")}
        )
        plan = OperatorShell(owner.copy).run("plan")
        assert plan.returncode == 1, f"{said}: {plan.stdout}{plan.stderr}"
        assert PLAN_SAYS.get(said, said) in plan.stderr
    right = OperatorShell(lambda: {**usual, "WRITEGATE_BROKER_API_URL": secure, "SSL_CERT_FILE": str(authority)})
    assert "NOTHING" not in right.do("status")


def test_rates_in_and_out_count_commands_where_messages_hold_many(gate: Gate, shell: OperatorShell) -> None:
    stopped, sent = threading.Event(), [0]

    def publish() -> None:
        # One key: what is published while its first command is unconfirmed travels together in the next message.
        with gate.broker.publisher() as publisher:
            while not stopped.wait(0.1):
                publisher.publish_many([Deposit(account="status-many", seq=sent[0] + number) for number in range(MANY)])
                sent[0] += MANY

    publishing = threading.Thread(target=publish)
    publishing.start()
    rates: tuple[float, float] = 0.0, 0.0

    def both_known() -> bool:
        nonlocal rates
        out, lanes = trial(shell.run("status", "--json"))
        rates = sum(lane["in_per_second"] for lane in lanes), out["out_per_second"]
        contents = "SELECT max(value) FROM writegate.history WHERE name = 'commands_per_message'"
        # The broker's rate and what a message holds are of different moments: they agree after a while.
        # The last minute has fewer commands than it will have: what goes out is an average over it.
        return rates[0] > rates[1] / 2 > 0 and (gate.database.value(contents) or 0) > 2

    try:
        gate.wait(both_known, "as many commands go in as out")
    finally:
        stopped.set()
        publishing.join()
    gate.database.wait_entries("status-many", sent[0])
