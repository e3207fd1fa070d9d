"""What `broker/patches.py` and `broker/channel.py` rely on in py-amqp and kombu.

When a test here fails after an upgrade, read the named code of the new version beside the patch before the pin in
pyproject.toml is changed.
"""

from __future__ import annotations

import inspect
import socket
import threading
import time
from collections.abc import Callable
from importlib.metadata import requires, version
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from amqp.connection import Connection
from amqp.method_framing import frame_handler
from amqp.transport import SSLTransport, TCPTransport
from celery.worker.consumer import Consumer
from kombu import Connection as KombuConnection
from kombu.asynchronous import Hub
from kombu.asynchronous.timer import Timer

from tests.deadlines import patient
from writegate_writer.broker.channel import LaneChannel
from writegate_writer.broker.patches import retry_steadily, suspend_heartbeat_check

PATIENCE_SECONDS = patient(30)
SOON_SECONDS = patient(5)  # kombu polls for at most 10 s


def source(code: Callable[..., Any]) -> str:
    return inspect.getsource(code)


def parameters(code: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(code).parameters)


@pytest.mark.parametrize("library", ["amqp", "kombu"])
def test_the_libraries_whose_internals_are_changed_are_pinned(library: str) -> None:
    wanted = [text for text in requires("writegate-writer") or [] if text.startswith(f"{library}=")]
    assert wanted == [f"{library}=={version(library)}"], f"{library} is not pinned to the version that was read"


def test_reading_in_bulk_replaces_all_of_what_reads() -> None:
    check = "compare amqp.connection.Connection.blocking_read with broker.patches.read_in_bulk"
    assert parameters(Connection.blocking_read) == ["self", "timeout"], check
    assert parameters(Connection.drain_events) == ["self", "timeout"], check
    read = source(Connection.blocking_read)
    for used in ("self.transport.having_timeout(timeout)", "self.transport.read_frame()", "self.on_inbound_frame("):
        assert used in read, f"{used} is gone: {check}"
    assert "self.blocking_read(timeout)" in source(Connection.drain_events), check


@pytest.mark.parametrize("transport", [TCPTransport, SSLTransport])
def test_a_transport_has_what_reading_in_bulk_uses(transport: Any) -> None:
    check = f"compare amqp.transport.{transport.__name__} with broker.patches._BulkReader"
    made = transport("nowhere")
    assert made._read_buffer == b"", check  # noqa: SLF001  the internals are the subject
    assert made.connected is False, check
    assert parameters(transport.having_timeout) == ["self", "timeout"], check
    assert "self._quick_recv = self.sock." in source(transport._setup_transport), check  # noqa: SLF001
    # The frame's parts, in this order, with this end mark.
    read = source(transport.read_frame)
    for used in ("unpack('>BHI'", "206", "self.connected = False"):
        assert used in read.replace('"', "'"), f"{used} is gone: {check}"


def test_frames_are_handled_by_what_is_replaced() -> None:
    check = "compare amqp.method_framing.frame_handler with broker.patches.accept_malformed_properties"
    handler = source(frame_handler)
    assert "frame_type, channel, buf = frame" in handler, check
    assert "frame_type == 2" in handler, f"a header frame is not type 2: {check}"
    replaced: Any = inspect.getattr_static(Connection, "on_inbound_frame")
    assert isinstance(replaced, property), check
    assert replaced.fset is not None, f"it cannot be set: {check}"


def test_the_heartbeat_check_reads_when_something_was_heard() -> None:
    check = "compare amqp.connection.Connection.heartbeat_tick with broker.patches.suspend_heartbeat_check"
    assert parameters(Connection.heartbeat_tick) == ["self", "rate"], check
    tick = source(Connection.heartbeat_tick)
    assert "self.last_heartbeat_received + two_heartbeats" in tick, check
    assert "monotonic()" in tick, check
    connection: Any = amqp.Connection(heartbeat=1)
    connection.heartbeat = 1
    connection.send_heartbeat = lambda: None
    connection.prev_recv = connection.bytes_recv
    paused = SimpleNamespace(now=False)
    suspend_heartbeat_check(connection, lambda: paused.now)
    connection.last_heartbeat_received = time.monotonic() - 60
    with pytest.raises(amqp.exceptions.ConnectionForced):
        connection.heartbeat_tick(2)
    paused.now = True
    connection.last_heartbeat_received = time.monotonic() - 60
    connection.heartbeat_tick(2)


def test_celery_connects_by_what_is_replaced() -> None:
    check = "compare celery.worker.consumer.Consumer.ensure_connected with broker.patches.retry_steadily"
    assert "conn.ensure_connection(" in source(Consumer.ensure_connected), check
    for used in ("interval_start", "interval_step", "interval_max"):
        assert used in parameters(KombuConnection._ensure_connection), f"{used} is gone: {check}"  # noqa: SLF001
    asked: dict[str, Any] = {}
    connection = SimpleNamespace(ensure_connection=lambda **given: asked.update(given))
    retry_steadily(connection, 1.5)
    connection.ensure_connection()
    assert asked == {"interval_start": 1.5, "interval_step": 0, "interval_max": 1.5}


def test_a_lane_channel_overrides_what_a_channel_has() -> None:
    check = "compare amqp.channel.Channel with broker.channel.LaneChannel"
    channel: Any = amqp.Channel
    overridden = {name for name in vars(LaneChannel) if inspect.isfunction(vars(LaneChannel)[name])}
    own = {"__init__", "consume", "close_without_waiting"}
    assert overridden - own == {"dispatch_method", "_do_revive"}, check
    for name in overridden - own:
        assert parameters(getattr(LaneChannel, name)) == parameters(getattr(amqp.Channel, name)), f"{name}: {check}"
    assert "self.is_closing" in source(amqp.Channel.dispatch_method), check
    assert "self._do_revive()" in source(channel._on_close), check  # noqa: SLF001


def test_what_another_thread_hands_to_the_hub_wakes_it() -> None:
    """Without that, acknowledgements and new channels of an idle writer would wait for the next timer."""
    hub: Any = Hub(timer=Timer(max_interval=PATIENCE_SECONDS))
    silent, other_end = socket.socketpair()
    hub.add_reader(silent, lambda: None)  # without a reader it would not poll
    hub.call_repeatedly(PATIENCE_SECONDS, lambda: None)  # the next timer: nothing before it ends the poll
    polling, ran = threading.Event(), threading.Event()
    hub.on_tick.add(polling.set)  # called between the ready callbacks and the poll

    def run() -> None:
        while not ran.is_set():
            hub.run_once()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert polling.wait(PATIENCE_SECONDS)
        hub.call_soon(ran.set)
        assert ran.wait(SOON_SECONDS), (
            "kombu.asynchronous.Hub.call_soon does not interrupt the poll any more: register a pipe of our own with "
            "the hub in broker.lanes.Lanes.attach, and write to it in Lanes.post"
        )
    finally:
        ran.set()
        hub.call_soon(lambda: None)
        thread.join(PATIENCE_SECONDS)
        hub.close()
        silent.close()
        other_end.close()
