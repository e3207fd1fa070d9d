"""Over ``amqps://`` a broker is believed when its certificate is of a known authority, and of the name that was asked.

A RabbitMQ shows two certificates of one authority, on a port each: one for its address, one for somewhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from tests.broker import rabbitmqctl
from tests.certificates import Authority, Certificate
from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Deposit, trial
from writegate.errors import LoginRefused
from writegate.integrations.celery import configure
from writegate_devkit.stack.ports import choose

ELSEWHERE = "elsewhere.example"
WRITER = "writegate_writer"
# `cacertfile` is for certificates of clients, of which none is asked.
LISTEN = """
{{ok, _}} = application:ensure_all_started(ssl),
rabbit_networking:start_ssl_listener({{"127.0.0.1", {port}}}, [{{certfile, "{certificate.file}"}},
    {{keyfile, "{certificate.key}"}}, {{cacertfile, "{authority.file}"}}], 2).
"""


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_tls") as running:
        yield running


@dataclass(frozen=True)
class Listeners:
    """Ports with a certificate each. They end with the broker."""

    authority: Certificate
    right_port: int
    wrong_port: int

    def url(self, gate: Gate, user: str, port: int, host_name: str = "") -> str:
        """Return a user's URL at a port. ``host_name``: to be checked in place of the address."""
        options = {"ca_certs": str(self.authority.file)} | ({"server_hostname": host_name} if host_name else {})
        plain_port = gate.servers.stack.state.ports["rabbitmq"]
        url = gate.broker.url(user).replace("amqp://", "amqps://").replace(f":{plain_port}/", f":{port}/")
        return f"{url}?ssl_options={options}".replace(" ", "%20")


@pytest.fixture(scope="module")
def listeners(servers: Servers) -> Listeners:
    # Not pytest's own directory, which the broker's user may not enter.
    directory = servers.stack.home.state / "certificates"
    directory.mkdir(mode=0o755)
    authority = Authority(directory)
    ports = choose(("right", "wrong"), servers.stack.state.ports)
    certificates = {"right": authority.certificate("127.0.0.1", "IP"), "wrong": authority.certificate(ELSEWHERE)}
    for name, certificate in certificates.items():
        text = LISTEN.format(port=ports[name], certificate=certificate, authority=authority.own)
        rabbitmqctl(servers, "eval", text)
    return Listeners(authority.own, ports["right"], ports["wrong"])


def test_a_publisher_believes_the_right_certificate_only(gate: Gate, listeners: Listeners, tmp_path: Path) -> None:
    """The control: with the certificate's name in the URL nothing else is wrong with the second one."""
    right, wrong = listeners.right_port, listeners.wrong_port
    for url in (listeners.url(gate, "trial", right), listeners.url(gate, "trial", wrong, ELSEWHERE)):
        with gate.broker.publisher(WRITEGATE_BROKER_URL=url) as publisher:
            assert publisher.publish(Deposit(account="tls", seq=0)).accepted_by == "confirmed"
    bad = {
        "127.0.0.1": listeners.url(gate, "trial", wrong),
        "self-signed": listeners.url(gate, "trial", right).replace(
            str(listeners.authority.file), str(Authority(tmp_path, "stranger").own.file)
        ),
    }
    for said, url in bad.items():
        with (
            gate.broker.publisher(WRITEGATE_BROKER_URL=url) as publisher,
            pytest.raises(LoginRefused, match="certificate verify failed") as raised,
        ):
            publisher.publish(Deposit(account="tls", seq=1))
        assert said in str(raised.value) or "unable to get local issuer" in str(raised.value)


def test_a_celery_application_believes_the_right_certificate_only(gate: Gate, listeners: Listeners) -> None:
    authority = {"ca_certs": str(listeners.authority.file)}
    for port, refused in ((listeners.right_port, ""), (listeners.wrong_port, "IP address mismatch")):
        url = listeners.url(gate, "trial", port).partition("?")[0]
        with Celery("shop", broker=url, set_as_current=False) as app:
            app.conf.broker_use_ssl = authority
            configure(app, services=[trial])
            fields = {"account": "tls celery", "seq": 0}
            with pytest.raises(OperationalError, match=refused) if refused else nullcontext():
                app.send_task("trial.deposit", kwargs=fields, retry=False)


def writer_connections(gate: Gate) -> list[str]:
    """Return the names of the writers' consuming connections, as the broker knows them now."""
    listed = rabbitmqctl(gate.servers, "list_connections", "user", "client_properties", "--silent")
    return [line for line in listed.splitlines() if line.startswith(WRITER) and "writegate writer" in line]


def test_a_writer_consumes_from_the_right_broker_only(gate: Gate, listeners: Listeners) -> None:
    wrong = listeners.url(gate, WRITER, listeners.wrong_port)
    refused = gate.writers.start("refused", wait=False, WRITEGATE_BROKER_URL=wrong)
    said = "Cannot connect to amqps"  # Celery's own words for the consuming connection; the publisher's are others
    gate.wait(lambda: any("IP address mismatch" in text for text in refused.log.split(said)[1:]), "it is refused")
    assert writer_connections(gate) == []
    assert refused.serving() == set()
    gate.writers.kill("refused")

    # The control: a writer that asks for no name consumes there.
    careless = gate.writers.start("careless", altered="any_host_name", wait=False, WRITEGATE_BROKER_URL=wrong)
    gate.wait(lambda: bool(writer_connections(gate)), "a careless writer is connected")
    assert careless.alive
    gate.writers.kill("careless")
    gate.wait(lambda: not writer_connections(gate), "it is not any more", patient(60))

    gate.writers.start("right", WRITEGATE_BROKER_URL=listeners.url(gate, WRITER, listeners.right_port))
    with gate.broker.publisher() as publisher:
        receipt = publisher.publish(Deposit(account="tls writer", seq=0), receipt=True).wait(patient(30))
    assert receipt is not None
    assert receipt.outcome == "applied"
    gate.writers.stop("right")
