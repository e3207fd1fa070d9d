"""A relay in front of RabbitMQ that takes down the frames that pass, in either direction (AMQP 0-9-1, section 2.3)."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Final

from tests.relay import Link, Relay

_HEAD = struct.Struct("!BHI")  # of a frame: type, channel, bytes of its payload
_METHOD = struct.Struct("!HH")
_GREETING_BYTES = 8  # with which a client begins, before any frame
_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME, HEARTBEAT = 1, 2, 3, "heartbeat"

# The methods that are counted here by name; of others, class and number.
METHODS: Final = {
    (20, 10): "channel.open",
    (20, 40): "channel.close",
    (60, 20): "basic.consume",
    (60, 40): "basic.publish",
    (60, 60): "basic.deliver",
    (60, 80): "basic.ack",
    (60, 90): "basic.reject",
    (60, 120): "basic.nack",
}


@dataclass(frozen=True)
class Frame:
    """What passed. ``connection``: the how manyth that was opened; ``name``: of a method, or what else it is."""

    connection: int
    from_client: bool
    name: str
    payload: bytes

    @property
    def multiple(self) -> bool:
        """Whether an acknowledgement covers all that came before."""
        return bool(self.payload[_METHOD.size + 8])


class _Frames:
    """The frames in one part of a conversation."""

    def __init__(self, skip: int) -> None:
        self._bytes = bytearray()
        self._skip = skip

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """Return name and payload of each frame that is complete with this chunk."""
        self._bytes += chunk
        if len(self._bytes) < self._skip:
            return []
        del self._bytes[: self._skip]
        self._skip = 0
        frames = []
        while len(self._bytes) >= _HEAD.size:
            kind, _, length = _HEAD.unpack_from(self._bytes)
            end = _HEAD.size + length
            if len(self._bytes) <= end:
                break
            payload = bytes(self._bytes[_HEAD.size : end])
            del self._bytes[: end + 1]
            frames.append((_name(kind, payload), payload))
        return frames


def _name(kind: int, payload: bytes) -> str:
    if kind == _METHOD_FRAME:
        method = _METHOD.unpack_from(payload)
        return METHODS.get(method, f"{method[0]}.{method[1]}")
    return {_HEADER_FRAME: "header", _BODY_FRAME: "body"}.get(kind, HEARTBEAT)


class _FrameLink(Link):
    def __init__(self, client: socket.socket, server: socket.socket, number: int, frames: list[Frame]) -> None:
        super().__init__(client, server)
        self._number = number
        self._frames = frames
        self._sides = {client: _Frames(_GREETING_BYTES), server: _Frames(0)}

    def passes(self, chunk: bytes, source: socket.socket) -> bool:
        """Take down what passes: all does."""
        for name, payload in self._sides[source].feed(chunk):
            self._frames.append(Frame(self._number, source is self.client, name, payload))
        return True


class FrameRelay(Relay):
    """A relay in front of RabbitMQ. ``frames``: what passed on all connections, in order for each and direction."""

    def __init__(self, port: int) -> None:
        self.frames: list[Frame] = []
        self.connections = 0
        super().__init__(port)

    def link(self, client: socket.socket, server: socket.socket) -> Link:
        """Return a link that takes down what passes."""
        self.connections += 1
        return _FrameLink(client, server, self.connections, self.frames)

    def counts(self, *, from_client: bool, since: int = 0) -> Counter[str]:
        """Count frames of one direction by name, but for heartbeats, which come when they come."""
        return Counter(
            one.name for one in self.frames[since:] if one.from_client is from_client and one.name != HEARTBEAT
        )
