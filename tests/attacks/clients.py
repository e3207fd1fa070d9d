"""Clients of an HTTP site: whole ones, and single sockets for what no whole client sends."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx

from tests.deadlines import patient

PATIENCE_SECONDS: Final = patient(60)
PASSWORD: Final = "correct horse battery"


@dataclass(frozen=True)
class Client:
    """Makes connections to a site on this machine. It can be given to another process."""

    port: int

    def session(self, **headers: str) -> httpx.Client:
        """Return a client that keeps its connections."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers=headers,
            timeout=PATIENCE_SECONDS,
            transport=httpx.HTTPTransport(retries=1, verify=False),  # plain HTTP: there is no certificate to read
        )

    def send(self, data: bytes, source: str = "127.0.0.1") -> socket.socket:
        """Send something from one of this machine's own addresses; return the connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS, (source, 0))
        connection.sendall(data)
        return connection

    def log_in(self, name: str, source: str = "127.0.0.1", password: str = PASSWORD) -> socket.socket:
        """Send the form of the console's log-in; return the connection, on which the answer comes."""
        form = f"name={name}&password={password.replace(' ', '+')}&next=/".encode()
        return self.send(
            b"POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(form) + form,
            source,
        )


def read_answer(connection: socket.socket) -> bytes:
    """Return what comes on a connection until it ends."""
    connection.settimeout(PATIENCE_SECONDS)
    answer = b""
    with suppress(ConnectionError):
        while part := connection.recv(65_536):
            answer += part
    return answer


def status_of(answer: bytes) -> int:
    """Return the status of an answer, 0 without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0
