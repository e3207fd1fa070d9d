"""A relay in front of PostgreSQL that takes down what is asked: each round trip, and the statements in it."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

from tests.faults.commits import Queries
from tests.relay import Link, Relay

_HEAD = struct.Struct("!cI")  # of a message: its type, and its length without that
_COMPLETE, _READY = b"C", b"Z"
# Nothing comes before a message then, such as the answer to a request for encryption.
_PLAIN = "?sslmode=disable&gssencmode=disable"


@dataclass
class RoundTrip:
    """A simple query and its answer.

    ``connection``: the client's port. ``done``: what the server says of each statement that it has executed.
    """

    connection: int
    application: str
    text: str
    done: list[str] = field(default_factory=list)


class _Answers:
    """The messages in a server's part of a conversation."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Return type and payload of each message that is complete with this chunk."""
        self._bytes += chunk
        messages = []
        while len(self._bytes) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._bytes)
            if len(self._bytes) < 1 + length:
                break
            messages.append((kind, bytes(self._bytes[_HEAD.size : 1 + length])))
            del self._bytes[: 1 + length]
        return messages


class _AskedLink(Link):
    def __init__(self, client: socket.socket, server: socket.socket, round_trips: list[RoundTrip]) -> None:
        super().__init__(client, server)
        self._queries = Queries()
        self._answers = _Answers()
        self._connection = client.getpeername()[1]
        self._round_trips = round_trips
        self._asking: RoundTrip | None = None

    def passes(self, chunk: bytes, source: socket.socket) -> bool:
        """Take down what passes: all does."""
        if source is self.client:
            for query in self._queries.feed(chunk):
                self._asking = RoundTrip(self._connection, self._queries.application, query.decode())
        else:
            for kind, payload in self._answers.feed(chunk):
                self._answered(kind, payload)
        return True

    def _answered(self, kind: bytes, payload: bytes) -> None:
        asking = self._asking
        if asking is None:
            return
        if kind == _COMPLETE:
            asking.done.append(payload.rstrip(b"\0").decode())
        elif kind == _READY:
            self._round_trips.append(asking)
            self._asking = None


class AskedRelay(Relay):
    """A relay in front of PostgreSQL. ``round_trips``: what was asked and answered, on all connections."""

    def __init__(self, port: int) -> None:
        self.round_trips: list[RoundTrip] = []
        super().__init__(port)

    def in_place(self, url: str) -> str:
        """Return a URL of the server that leads here instead."""
        return super().in_place(url) + _PLAIN

    def link(self, client: socket.socket, server: socket.socket) -> Link:
        """Return a link that takes down what passes."""
        return _AskedLink(client, server, self.round_trips)
