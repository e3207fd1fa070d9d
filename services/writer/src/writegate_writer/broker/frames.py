"""Reading frames in bulk.

py-amqp reads a frame's seven bytes, then its payload, then its end, and sets the socket's mode before and after: twelve
system calls and more a message. Here what the socket has is taken at once and cut into frames.
"""

from __future__ import annotations

import struct
from typing import Any

from amqp.exceptions import UnexpectedFrame

# AMQP 0-9-1, section 2.3.5: type, channel and size, the payload, and an end.
_HEAD = struct.Struct(">BHI")
_END = 0xCE
_BULK_BYTES = 64 * 1024


def read_in_bulk(connection: Any) -> None:
    """Make a py-amqp connection, which is open, read its frames here from now on."""
    connection.blocking_read = _Frames(connection).read


class _Frames:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._data: bytes = self._transport._read_buffer  # noqa: SLF001  what it has read too much
        self._at = 0

    def read(self, timeout: float | None = None) -> Any:
        """Act on one frame, as the connection's ``blocking_read`` does; whether it completed a method.

        Raises :class:`TimeoutError` when there is none in time. Who polls takes all there is, and comes again until
        there is none; who waits for an answer takes no byte more than its frame has: of what is here the poller knows
        nothing.
        """
        while (frame := self._next()) is None:
            self._fill(timeout, _BULK_BYTES if timeout == 0 else self._missing())
        return self._connection.on_inbound_frame(frame)

    def _next(self) -> tuple[int, int, bytes] | None:
        data, at = self._data, self._at
        start = at + _HEAD.size
        if len(data) < start:
            return None
        kind, channel, size = _HEAD.unpack_from(data, at)
        end = start + size
        if len(data) <= end:
            return None
        if data[end] != _END:
            raise UnexpectedFrame(f"expected a frame to end with {_END:#x}, got {data[end]:#x}")
        self._at = end + 1
        return kind, channel, data[start:end]

    def _missing(self) -> int:
        """Return how many bytes the next frame needs, as far as is known."""
        have = len(self._data) - self._at
        if have < _HEAD.size:
            return _HEAD.size - have
        return int(_HEAD.size + _HEAD.unpack_from(self._data, self._at)[2] + 1 - have)

    def _fill(self, timeout: float | None, most: int) -> None:
        try:
            with self._transport.having_timeout(timeout):
                more = self._transport._quick_recv(most)  # noqa: SLF001  of a socket, or of one with TLS
        except TimeoutError:
            raise
        except OSError:
            self._transport.connected = False
            raise
        if not more:
            self._transport.connected = False
            raise OSError("the broker closed the connection")
        self._data, self._at = self._data[self._at :] + more, 0
