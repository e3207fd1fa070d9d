"""Lanes without a broker: a hub that runs what it is given, and channels that note what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from writegate_writer.broker.lanes import Lanes
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.scheduler import DomainScheduler


class RecordedChannel:
    """A channel that notes what is consumed and acknowledged."""

    def __init__(self, connection: Any, prefetch: int) -> None:  # noqa: ARG002  as the real one
        self.is_open = True
        self.consumers: dict[str, Callable[[Any], None]] = {}
        self.acknowledged: list[int] = []
        connection.channels.append(self)

    def consume(self, queue: str, deliver: Callable[[Any], None], cancelled: Callable[[str], None]) -> None:  # noqa: ARG002  as the real one
        self.consumers[queue] = deliver

    def deliver(self, queue: str, tag: int, body: bytes) -> None:
        """Have a message of a queue delivered."""
        self.consumers[queue](
            SimpleNamespace(delivery_info={"delivery_tag": tag, "redelivered": False}, properties={}, body=body)
        )

    def basic_ack(self, tag: int, multiple: bool) -> None:  # noqa: ARG002  as the real one
        self.acknowledged.append(tag)

    def close_without_waiting(self) -> None:
        self.is_open = False


class LaneReader:
    """Lanes on a connection that never says anything by itself."""

    def __init__(self, memory_bytes: int = 2**20) -> None:
        self.scheduler = DomainScheduler()
        self.lanes = Lanes(self.scheduler, memory_bytes, RecordedChannel)
        self.channels: list[RecordedChannel] = []
        self.reading = False
        driver = SimpleNamespace(
            transport=SimpleNamespace(_read_buffer=b""),
            on_inbound_frame=None,
            heartbeat_tick=lambda _rate: None,
            sock=0,
        )
        self.connection = SimpleNamespace(
            connection=driver,
            channels=self.channels,
            channel_errors=(),
            transport=SimpleNamespace(),
            drain_events=self._drain,
        )
        self.lanes.attach(self.connection, self)

    def serve(self, domain: Domain) -> list[RecordedChannel]:
        """Consume a domain's lanes; return the channels of its lanes and of its dead-letter queues."""
        self.scheduler.own(domain)
        self.scheduler.serve(domain)
        before = len(self.channels)
        self.lanes.refresh(domain)
        return self.channels[before:]

    def _drain(self, timeout: float) -> None:  # noqa: ARG002  there is never anything to read
        raise TimeoutError

    # What Lanes asks of a hub.

    def call_soon(self, work: Callable[[], None]) -> None:
        work()

    def add_reader(self, _sock: object, _read: Callable[[], None]) -> None:
        self.reading = True

    def remove_reader(self, _sock: object) -> None:
        self.reading = False

    remove = remove_reader
