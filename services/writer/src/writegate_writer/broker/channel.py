"""A channel for lanes, opened and closed without waiting for the broker.

py-amqp waits for the answer to whatever it asks, and reads until that has come: first everything that the broker sent
before, for any domain. With large messages that is hundreds of megabytes, however much is held already. What is sent
on one connection takes effect in the order of sending, so nothing here has to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amqp import Channel, spec

_HEARD_WHEN_CLOSING = (spec.Channel.Close, spec.Channel.CloseOk)


class LaneChannel(Channel):
    """A channel of a kombu connection. Bodies stay bytes as they came: what a body is, the envelope decides.

    When the broker refuses something or closes the channel, whoever reads then from the connection gets the error. The
    channel is closed from then on, unlike py-amqp's own, which would be open again without its consumers.
    """

    def __init__(self, connection: Any, prefetch: int) -> None:
        super().__init__(connection.connection, auto_decode=False)
        self.send_method(spec.Channel.Open, "s", ("",))
        self.is_open = True
        self.send_method(spec.Basic.Qos, "lBb", (0, prefetch, False))

    def consume(self, queue: str, deliver: Callable[[Any], None], cancelled: Callable[[str], None]) -> None:
        """Consume a queue. ``cancelled``: called when the broker ends that by itself."""
        self.basic_consume(queue, consumer_tag=queue, nowait=True, callback=deliver, on_cancel=cancelled)

    def leave(self) -> None:
        """Close it. What comes on it from now on is dropped; it goes back to its queue."""
        self.is_closing = True
        self.is_open = False
        self.send_method(spec.Channel.Close, "BsBB", (0, "", 0, 0))

    def dispatch_method(self, method_sig: tuple[int, int], payload: bytes, content: Any) -> None:
        # As py-amqp does, but it would write to the log for each message that is dropped.
        if not self.is_closing or method_sig in _HEARD_WHEN_CLOSING:
            super().dispatch_method(method_sig, payload, content)

    def _do_revive(self) -> None:
        self.collect()
