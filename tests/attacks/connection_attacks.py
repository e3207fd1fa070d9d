"""Attacks by connections: at the broker, and at the port on which a writer says how it is."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final

import pika
from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import AMQPError, ConnectionClosedByBroker, ProbableAccessDeniedError

from tests.attacks.attack import Attack
from tests.attacks.target import ATTACKER, WRITERS, Target
from tests.deadlines import patient
from tests.services.trial.contract import trial

MOST_CONNECTIONS: Final = 300
MOST_CHANNELS: Final = 500  # of each connection
HALF_REQUESTS: Final = 400
MOST_THREADS: Final = 40
PROBE_SECONDS: Final = patient(5)


def connections_without_end(target: Target) -> str:
    """As many connections and channels as the broker gives: the limits of the user end both."""
    with ExitStack() as stack:
        connections: list[BlockingConnection] = []
        with suppress(ProbableAccessDeniedError):
            while len(connections) < MOST_CONNECTIONS:
                connections.append(_connect(target))
                stack.callback(_close, connections[-1])
        channels = sum(_open_channels(connection) for connection in connections)
    assert len(connections) <= trial.max_connections, f"{len(connections)} connections"
    assert channels <= trial.max_channels, f"{channels} channels"
    return f"{len(connections)} connections, {channels} channels, the others refused"


def _connect(target: Target) -> BlockingConnection:
    parameters = pika.URLParameters(target.gate.broker.url(ATTACKER))
    parameters.heartbeat = 0
    return BlockingConnection(parameters)


def _open_channels(connection: BlockingConnection) -> int:
    for number in range(MOST_CHANNELS):
        try:
            connection.channel()
        except ConnectionClosedByBroker:
            return number
    return MOST_CHANNELS


def _close(connection: BlockingConnection) -> None:
    with suppress(AMQPError):  # the broker may have closed it
        connection.close()


def half_sent_requests(target: Target) -> str:
    """Requests that never end, at each writer's port for probes: they took a thread each, for ever."""
    with ExitStack() as stack:
        for name in WRITERS:
            host, port = target.gate.writers[name].address.split(":")
            for _ in range(HALF_REQUESTS):
                half = stack.enter_context(closing(socket.create_connection((host, int(port)), PROBE_SECONDS)))
                half.sendall(b"GET /livez HTTP/1.1\r\nX: ")
        for name in WRITERS:
            writer = target.gate.writers[name]
            threads = len(list(Path(f"/proc/{writer.process.pid}/task").iterdir()))
            assert threads <= MOST_THREADS, f"{name} has {threads} threads"
            asked = time.monotonic()
            assert writer.state(), f"{name} does not answer while {HALF_REQUESTS} requests are half sent"
            assert time.monotonic() - asked < PROBE_SECONDS
    return f"{HALF_REQUESTS} at each writer, which answer"


CONNECTION_ATTACKS: Final = (
    Attack("connections and channels without end", connections_without_end),
    Attack("half-sent requests to writers", half_sent_requests),
)
