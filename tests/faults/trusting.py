"""The negative control of publisher confirms: a wire for which what was sent counts as confirmed."""

from __future__ import annotations

from functools import partial
from typing import Any

import pika

from writegate.publishing.wire import Wire


class TrustingWire(Wire):
    """A broken wire: it does not wait for the broker's confirm."""

    _sent = 0

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a message, and take it for accepted."""
        super().publish(exchange, routing_key, body, properties)
        self._sent += 1
        self.post(partial(self._trust, self.channel, self._sent))

    def _trust(self, channel: object, tag: int) -> None:
        if channel is self.channel:
            self._listener.on_confirm(tag, multiple=False, ok=True)

    def _confirmed(self, frame: Any) -> None:
        """Not listened to."""

    def _ready(self, channel: Any) -> None:
        self._sent = 0
        super()._ready(channel)
