"""The AMQP edge of publishing: one thread, one connection, pika.

Everything here runs on the I/O thread except what says otherwise. pika matches confirms to messages by delivery
tag; a client that does not would take a late confirm for the next message's.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Any, Protocol

import pika
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.exceptions import ChannelClosedByBroker

from writegate.config import Settings
from writegate.contract.service import declared_lanes

log = logging.getLogger(__name__)

REPLY_TO = "amq.rabbitmq.reply-to"
LANES = "writegate-lanes"  # of a connection: how many lanes the services have, as its process knows them

# A stalled peer is noticed by TCP itself; much less resets connections over a short stall.
_TCP_OPTIONS = {"TCP_USER_TIMEOUT": 10_000, "TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.1, 3.0


class Listener(Protocol):
    """Who is told what the wire saw."""

    def on_up(self) -> None:
        """The channel is open: send what is due, from the start."""

    def on_down(self) -> None:
        """Everything unconfirmed is unknown now; :meth:`on_up` comes when it can be sent again."""

    def on_channel_refused(self, code: int, text: str) -> None:
        """The broker closed the channel because of something we sent; it is opened again by itself."""

    def on_confirm(self, tag: int, *, multiple: bool, ok: bool) -> None:
        """The broker took (or, not ok, refused) the message with this tag, or all up to it."""

    def on_return(self, message_id: str, text: str) -> None:
        """No queue took this mandatory message; its confirm follows."""

    def on_reply(self, correlation_id: str, body: bytes) -> None:
        """A reply arrived at our direct reply-to address."""

    def on_blocked(self, reason: str | None) -> None:
        """The broker stopped (reason) or resumed (None) reading from publishers."""


class Carrier(Protocol):
    """What an engine sends over: :class:`Wire`, or what stands in for it where there is no broker.

    It calls its listener on one thread of its own, never from inside a call of the listener's.
    """

    user: str  # whom the broker takes it for
    last_error: str  # why there is no channel

    @property
    def channel(self) -> object | None:
        """Given between ``on_up`` and ``on_down``: messages may be sent."""

    @property
    def running(self) -> bool:
        """Whether the thread runs."""

    def start(self) -> None:
        """Start the thread."""

    def post(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the thread, in the order of the calls. From any thread."""

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Run ``work`` on the thread after a while."""

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a mandatory message; each call is one more delivery tag since ``on_up``."""

    def reply(self, reply_to: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a reply, unconfirmed."""

    def stop(self, timeout: float) -> None:
        """End the connection and the thread. From any other thread."""


class Wire:
    """A connection that is opened again whenever it is lost, until closed."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self._listener = listener
        self._parameters = pika.URLParameters(settings.broker_url)
        self._parameters.heartbeat = settings.heartbeat_seconds
        self._parameters.socket_timeout = self._parameters.stack_timeout = 5
        self._parameters.tcp_options = _TCP_OPTIONS
        self.user: str = self._parameters.credentials.username
        self.last_error = "not connected yet"
        self.channel: Channel | None = None
        self._replies: Channel | None = None
        self._connection: pika.SelectConnection | None = None
        self._closing = False
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._loop = IOLoop()
        self._thread = threading.Thread(target=self._run, name="writegate-publish", daemon=True)

    @property
    def running(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread. From any thread, once."""
        self._thread.start()

    def post(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the I/O thread. From any thread."""
        self._loop.add_callback_threadsafe(work)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Run ``work`` on the I/O thread after a while."""
        self._loop.call_later(seconds, work)

    def stop(self, timeout: float) -> None:
        """Close the connection and end the thread. From any other thread."""
        self.post(self._stop)
        self._thread.join(timeout)

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a mandatory message on the confirmed channel."""
        assert self.channel is not None  # noqa: S101  the listener sends between on_up and on_down only
        self.channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)

    def reply(self, reply_to: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a reply, on a channel of its own and unconfirmed: that nobody is there any more must disturb nothing."""
        if self._replies is not None and self._replies.is_open:
            self._replies.basic_publish("", reply_to, body, properties)

    def _run(self) -> None:
        self._loop.call_later(0, self._connect)
        try:
            self._loop.start()
        finally:
            self._loop.close()

    def _connect(self) -> None:
        if self._closing:
            return
        # By its lanes `apply` knows a publisher that has not been restarted with a new number of them.
        self._parameters.client_properties = {"connection_name": "writegate publisher", LANES: declared_lanes()}
        self._connection = pika.SelectConnection(
            self._parameters,
            on_open_callback=self._opened,
            on_open_error_callback=self._lost,
            on_close_callback=self._lost,
            custom_ioloop=self._loop,
        )

    def _opened(self, connection: pika.SelectConnection) -> None:
        if self._closing:
            connection.close()
            return
        connection.add_on_connection_blocked_callback(lambda _, frame: self._listener.on_blocked(frame.method.reason))
        connection.add_on_connection_unblocked_callback(lambda *_: self._listener.on_blocked(None))
        self._listener.on_blocked(None)
        connection.channel(on_open_callback=self._channel_opened)
        connection.channel(on_open_callback=self._replies_opened)

    def _replies_opened(self, channel: Channel) -> None:
        self._replies = channel
        channel.add_on_close_callback(self._replies_closed)

    def _replies_closed(self, _: Channel, __: Exception) -> None:
        # One reply that the broker would not take must not end all others.
        if self._connection is not None and self._connection.is_open:
            self._connection.channel(on_open_callback=self._replies_opened)

    def _channel_opened(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        channel.basic_consume(REPLY_TO, self._replied, auto_ack=True)
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self.channel = channel
        self._listener.on_up()

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        self._listener.on_confirm(method.delivery_tag, multiple=method.multiple, ok=method.NAME == "Basic.Ack")

    def _returned(self, _: Channel, method: Any, properties: Any, __: bytes) -> None:
        self._listener.on_return(
            properties.correlation_id, f"{method.reply_text}: no queue for {method.exchange} {method.routing_key}"
        )

    def _replied(self, _: Channel, __: Any, properties: Any, body: bytes) -> None:
        self._listener.on_reply(properties.correlation_id or "", body)

    def _channel_closed(self, channel: Channel, reason: Exception) -> None:
        if self.channel is channel:
            self.channel = None
            self._listener.on_down()
        if isinstance(reason, ChannelClosedByBroker) and self._connection is not None and self._connection.is_open:
            self._listener.on_channel_refused(reason.reply_code, reason.reply_text)
            self._connection.channel(on_open_callback=self._channel_opened)

    def _lost(self, connection: pika.SelectConnection, error: Any) -> None:
        if connection is not self._connection:
            return
        self.last_error = str(error) or repr(error)
        self._connection = self._replies = None
        if self.channel is not None:
            self.channel = None
            self._listener.on_down()
        if self._closing:
            self._loop.stop()
            return
        # Spread, so that a thousand publishers do not return at once.
        self._loop.call_later(self._retry_seconds * random.uniform(0.5, 1.0), self._connect)  # noqa: S311
        self._retry_seconds = min(self._retry_seconds * 2, _LAST_RETRY_SECONDS)
        fields = {"event": "publisher.connection_lost", "error": self.last_error, "user": self.user}
        log.warning("broker connection lost: %s", self.last_error, extra=fields)

    def _stop(self) -> None:
        self._closing = True
        if self._connection is None:
            self._loop.stop()
        elif self._connection.is_open:
            self._connection.close()
        # Else it is opening or closing; pika cannot be told to stop that. The end of it stops the loop.
