"""A relay in front of a server that can stop passing bytes on without closing anything: a half-open connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 65536


class Relay:
    """Listens on ``port`` of 127.0.0.1 and passes everything on to another port, until :meth:`stall`."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._flowing = threading.Event()
        self._flowing.set()
        self._open = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def in_place(self, url: str) -> str:
        """Return a URL of the server that leads here instead."""
        return url.replace(f":{self._target_port}/", f":{self.port}/")

    def stall(self) -> None:
        """Read nothing more and pass nothing on, in both directions, for old and new connections."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass on what came meanwhile, and go on."""
        self._flowing.set()

    def cut(self) -> None:
        """Close all connections."""
        sockets, self._sockets = self._sockets, []
        self._shut(sockets)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Close all connections, and new ones at once, as long as the block lasts."""
        self._open = False
        self.cut()
        yield
        self._open = True

    def close(self) -> None:
        self.resume()
        self._shut([self._listener, *self._sockets])

    def _shut(self, sockets: list[socket.socket]) -> None:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self._open:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target_port))
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                self._flowing.wait()
                target.sendall(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()
