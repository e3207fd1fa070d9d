"""Reading frames in bulk: the same frames as py-amqp reads, however the bytes come."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest
from amqp.exceptions import UnexpectedFrame
from amqp.transport import TCPTransport

from writegate_writer.broker.patches import read_in_bulk

FRAMES = [(1, 1, b"method"), (2, 1, b""), (3, 7, b"x" * 200_000), (8, 0, b"")]


def bytes_of(frames: list[tuple[int, int, bytes]], end: int = 0xCE) -> bytes:
    return b"".join(struct.pack(">BHI", kind, at, len(body)) + body + bytes([end]) for kind, at, body in frames)


class Connection:
    """A py-amqp connection that notes its frames."""

    def __init__(self, sock: socket.socket, read_before: bytes = b"") -> None:
        self.transport = cast("Any", TCPTransport("nowhere"))
        self.transport.sock = sock
        self.transport.connected = True
        self.transport._setup_transport()  # noqa: SLF001  what connecting does
        self.transport._read_buffer = read_before  # noqa: SLF001
        self.frames: list[tuple[int, int, bytes]] = []
        self.blocking_read: Any = None
        read_in_bulk(self)

    def on_inbound_frame(self, frame: tuple[int, int, bytes]) -> bool:
        self.frames.append(frame)
        return True

    def poll(self) -> None:
        """Act on what is there."""
        while True:
            try:
                self.blocking_read(0)
            except TimeoutError:
                return


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


@pytest.mark.parametrize("step", [1, 7, 1000, 300_000])
def test_frames_arrive_whole_however_the_bytes_come(pair: Pair, step: int) -> None:
    frames = FRAMES if step > 7 else [(kind, at, body[:50]) for kind, at, body in FRAMES]
    data = bytes_of(frames)
    connection = Connection(pair[0], read_before=data[:3])
    pair[1].setblocking(False)
    left = memoryview(data)[3:]
    while left:
        left = left[pair[1].send(left[:step]) :]
        connection.poll()
    connection.poll()
    assert connection.frames == frames


def test_who_waits_for_an_answer_leaves_the_rest_to_the_poller(pair: Pair) -> None:
    connection = Connection(pair[0])
    pair[1].sendall(bytes_of([(1, 1, b"answer"), (8, 0, b"")]))
    connection.blocking_read(None)
    assert connection.frames == [(1, 1, b"answer")]
    assert pair[0].recv(100, socket.MSG_PEEK) == bytes_of([(8, 0, b"")])


def test_what_is_no_frame_or_no_connection_any_more_is_an_error(pair: Pair) -> None:
    connection = Connection(pair[0])
    pair[1].sendall(bytes_of([(1, 1, b"x")], end=0))
    with pytest.raises(UnexpectedFrame):
        connection.blocking_read(0)
    connection = Connection(pair[0])
    pair[1].close()
    with pytest.raises(OSError, match="closed"):
        connection.blocking_read(0)
    assert not connection.transport.connected
