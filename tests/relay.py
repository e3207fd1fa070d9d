"""A relay in front of a server, with what networks do: delays, half-open connections, resets."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.deadlines import patient

_CHUNK = 65536
_DIAL_SECONDS = patient(5)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER for no time at all


class Link:
    """A client's connection, and the relay's own to the server for it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server

    def passes(self, chunk: bytes, source: socket.socket) -> bool:  # noqa: ARG002  others look at it
        """Whether bytes from one side may go to the other; otherwise the connection is reset."""
        return True

    def end(self) -> None:
        """Close both connections as their peers would."""
        for one in (self.client, self.server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Make both peers see a reset."""
        for one in (self.client, self.server):
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                one.shutdown(socket.SHUT_RD)  # wakes who reads from it, and tells the peer nothing
            one.close()


class Relay:
    """Listens on ``port`` of 127.0.0.1 and passes everything on to the first of some ports that answers.

    Clients are spread over the ports. ``latency_seconds`` is added to whatever passes, in each direction.
    """

    def __init__(self, *target_ports: int) -> None:
        self._target_ports = target_ports
        self._flowing = threading.Event()
        self._flowing.set()
        self._delivering = threading.Event()
        self._delivering.set()
        self._open = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._links: set[Link] = set()
        self._accepted = 0
        self.latency_seconds = 0.0
        self.swallowed_bytes = 0
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def in_place(self, url: str) -> str:
        """Return a URL of the (first) server that leads here instead."""
        return url.replace(f":{self._target_ports[0]}/", f":{self.port}/")

    def stall(self) -> None:
        """Read nothing more and pass nothing on, in both directions, for old and new connections."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass on what came meanwhile, and go on."""
        self._flowing.set()

    def swallow(self) -> None:
        """Read everything and deliver nothing, not even that a side has closed, until :meth:`reset`."""
        self._delivering.clear()

    def reset(self) -> None:
        """Reset every connection; new ones are served."""
        for link in list(self._links):
            link.reset()
        self._delivering.set()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Close all connections, and new ones at once, as long as the block lasts."""
        self._open = False
        self.reset()
        yield
        self._open = True

    def close(self) -> None:
        self.resume()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def link(self, client: socket.socket, server: socket.socket) -> Link:
        """Return the link of a new connection."""
        return Link(client, server)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._dial() if self._open else None
                if server is None:
                    client.close()
                    continue
                link = self.link(client, server)
                self._links.add(link)
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _dial(self) -> socket.socket | None:
        self._accepted += 1
        for offset in range(len(self._target_ports)):
            port = self._target_ports[(self._accepted + offset) % len(self._target_ports)]
            with suppress(OSError):
                server = socket.create_connection(("127.0.0.1", port), _DIAL_SECONDS)
                server.settimeout(None)
                return server
        return None

    def _serve(self, link: Link) -> None:
        answers = threading.Thread(target=self._pump, args=(link, link.server, link.client), daemon=True)
        answers.start()
        self._pump(link, link.client, link.server)
        answers.join()
        self._links.discard(link)
        link.client.close()
        link.server.close()

    def _pump(self, link: Link, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                time.sleep(self.latency_seconds)
                self._flowing.wait()
                if not self._delivering.is_set():
                    self.swallowed_bytes += len(chunk)
                    continue
                if not link.passes(chunk, source):
                    link.reset()
                    break
                target.sendall(chunk)
        self._delivering.wait()
        link.end()


@contextmanager
def relay_to(*ports: int) -> Iterator[Relay]:
    relay = Relay(*ports)
    try:
        yield relay
    finally:
        relay.close()
