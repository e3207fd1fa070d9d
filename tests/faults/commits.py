"""A relay in front of PostgreSQL that can lose the answer to a COMMIT: its sender cannot know what became of it."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator

from tests.relay import Link, Relay

# Requests that come before the start-up message and look like one: for encryption by TLS and by GSSAPI.
_REQUESTS = (80877103, 80877104)
_LENGTH = struct.Struct("!I")
_QUERY = b"Q"
_COMMIT = re.compile(rb"(?:^|;)\s*COMMIT\b", re.IGNORECASE)  # the writer takes the service's role before it


class Queries:
    """The texts of the simple queries in a client's part of a conversation (PostgreSQL's protocol, version 3).

    ``application``: the name that it gave itself when it began.
    """

    def __init__(self) -> None:
        self.application = ""
        self._bytes = bytearray()
        self._started = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield each query that is complete with this chunk."""
        self._bytes += chunk
        while (message := self._message()) is not None:
            kind, payload = message
            if kind == _QUERY:
                yield payload.rstrip(b"\0")

    def _message(self) -> tuple[bytes, bytes] | None:
        """Take the next message, if it is complete: its type (none before the start-up is over) and its payload."""
        head = 1 if self._started else 0
        if len(self._bytes) < head + _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._bytes, head)
        if len(self._bytes) < head + length:
            return None
        kind, payload = bytes(self._bytes[:head]), bytes(self._bytes[head + _LENGTH.size : head + length])
        del self._bytes[: head + length]
        if not self._started:
            self._started = _LENGTH.unpack_from(payload)[0] not in _REQUESTS
            words = payload[_LENGTH.size :].decode().split("\0")
            self.application = dict(zip(words[::2], words[1::2], strict=False)).get("application_name", "")
        return kind, payload


def is_commit(query: bytes) -> bool:
    """Whether one of the statements of a simple query is a COMMIT."""
    return _COMMIT.search(query) is not None


class CommitLink(Link):
    """A connection on which the answer to a COMMIT may be lost."""

    def __init__(self, client: socket.socket, server: socket.socket, cutting: Cutting) -> None:
        super().__init__(client, server)
        self._queries = Queries()
        self._cutting = cutting
        self._committed = False

    def passes(self, chunk: bytes, source: socket.socket) -> bool:
        """Whether bytes may pass: all do but the answer to the chosen COMMIT."""
        if source is self.client:
            commits = [query for query in self._queries.feed(chunk) if is_commit(query)]
            self._committed = self._committed or (bool(commits) and self._cutting.take())
        elif self._committed:
            self._cutting.done.set()
            return False
        return True


class Cutting:
    """Chooses the next COMMIT of any connection. ``done`` is set when its answer has been lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed = False
        self.done = threading.Event()

    def arm(self) -> None:
        """Choose the next one."""
        with self._lock:
            self._armed = True
            self.done.clear()

    def take(self) -> bool:
        """Whether a COMMIT is the chosen one."""
        with self._lock:
            armed, self._armed = self._armed, False
            return armed


class CommitRelay(Relay):
    """A relay in front of PostgreSQL."""

    def __init__(self, port: int) -> None:
        self.cutting = Cutting()
        super().__init__(port)

    def link(self, client: socket.socket, server: socket.socket) -> Link:
        """Return a link that reads what the client asks."""
        return CommitLink(client, server, self.cutting)
