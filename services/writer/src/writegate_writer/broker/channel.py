"""A channel for lanes that is opened and closed without waiting for the broker. On the hub thread.

py-amqp waits for the answer to every request, and reads until it has come. The broker answers in the order of sending,
so first comes everything that it sent before, for any domain: with large messages hundreds of megabytes, however much
is held already. Requests on one connection take effect in the order of sending, so nothing here has to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amqp import Channel, spec

_HANDLED_WHILE_CLOSING = (spec.Channel.Close, spec.Channel.CloseOk)


class LaneChannel(Channel):
    """A channel of a kombu connection. Message bodies stay bytes: the envelope says what they are.

    When the broker refuses a request or closes the channel, the next read from the connection raises the error. The
    channel is closed from then on; py-amqp's own would be open again, without its consumers.
    """

    def __init__(self, connection: Any, prefetch: int) -> None:
        super().__init__(connection.connection, auto_decode=False)
        self.send_method(spec.Channel.Open, "s", ("",))
        self.is_open = True
        self.send_method(spec.Basic.Qos, "lBb", (0, prefetch, False))

    def consume(self, queue: str, deliver: Callable[[Any], None], cancelled: Callable[[str], None]) -> None:
        """Consume a queue. ``cancelled`` is called when the broker cancels the consumer."""
        self.basic_consume(queue, consumer_tag=queue, nowait=True, callback=deliver, on_cancel=cancelled)

    def close_without_waiting(self) -> None:
        """Close the channel. Messages that still arrive are dropped: the broker returns them to their queue."""
        self.is_closing = True
        self.is_open = False
        self.send_method(spec.Channel.Close, "BsBB", (0, "", 0, 0))

    def dispatch_method(self, method_sig: tuple[int, int], payload: bytes, content: Any) -> None:
        # py-amqp would log a line for each message that is dropped.
        if not self.is_closing or method_sig in _HANDLED_WHILE_CLOSING:
            super().dispatch_method(method_sig, payload, content)

    def _do_revive(self) -> None:
        self.collect()
