"""The AMQP edge of publishing: one thread and one connection of pika's.

Methods run on the I/O thread unless their docstring says otherwise. pika matches confirms to messages by delivery tag;
without that, a late confirm would be taken for the confirm of the next message.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

import pika
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.exceptions import ChannelClosedByBroker

from writegate.backoff import backoff_seconds
from writegate.config import Settings
from writegate.contract.service import declared_lanes
from writegate.publishing.login import is_refusal
from writegate.session_name import session_name

log = logging.getLogger(__name__)

REPLY_TO = "amq.rabbitmq.reply-to"
# A client property of the connection: the number of lanes by service, as this process knows it.
LANES = "writegate-lanes"

# TCP itself notices a stalled peer. A much shorter limit would reset connections over a short stall.
_TCP_OPTIONS = {"TCP_USER_TIMEOUT": 10_000, "TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.1, 3.0


class Listener(Protocol):
    """Receives the events of a wire, on the I/O thread."""

    def on_up(self) -> None:
        """The channel is open: delivery tags start at 1 again, and unconfirmed messages must be sent again."""

    def on_down(self) -> None:
        """The channel is gone: unconfirmed messages may or may not have arrived. :meth:`on_up` follows."""

    def on_channel_refused(self, code: int, text: str) -> None:
        """The broker closed the channel because of a message. The wire opens a new one."""

    def on_confirm(self, tag: int, *, multiple: bool, ok: bool) -> None:
        """The broker took (``ok``) or refused the message with this tag, or with ``multiple`` all up to it."""

    def on_return(self, message_id: str, text: str) -> None:
        """No queue is bound for this mandatory message. Its confirm follows."""

    def on_reply(self, correlation_id: str, body: bytes) -> None:
        """A reply arrived at our direct reply-to address."""

    def on_login_refused(self, text: str) -> None:
        """The broker does not let this user in, or we do not trust its certificate. The wire goes on trying."""

    def on_blocked(self, reason: str | None) -> None:
        """The broker stopped (reason) or resumed (None) reading from publishers."""


class Carrier(Protocol):
    """What an engine sends over: :class:`Wire`, or its replacement in tests without a broker.

    It calls its listener on one thread of its own, and never from inside a call that the listener makes.
    """

    user: str  # the broker user
    last_error: str  # why there is no channel

    @property
    def channel(self) -> object | None:
        """The open channel, set between ``on_up`` and ``on_down``: messages may be sent."""

    @property
    def running(self) -> bool:
        """Whether the thread runs."""

    def start(self) -> None:
        """Start the thread."""

    def post(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the thread, in the order of the calls. From any thread."""

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Run ``work`` on the thread after ``seconds``."""

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a mandatory message. Its delivery tag is the number of calls since ``on_up``."""

    def reply(self, reply_to: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a reply, unconfirmed."""

    def stop(self, timeout: float) -> None:
        """Close the connection and end the thread; wait up to ``timeout`` seconds. From any other thread."""


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
        self._failures = 0  # attempts to connect in a row that failed
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
        """Run ``work`` on the I/O thread after ``seconds``."""
        self._loop.call_later(seconds, work)

    def stop(self, timeout: float) -> None:
        """Close the connection and end the thread; wait up to ``timeout`` seconds. From any other thread."""
        self.post(self._stop)
        self._thread.join(timeout)

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a mandatory message on the confirmed channel."""
        assert self.channel is not None  # noqa: S101  the listener sends between on_up and on_down only
        self.channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)

    def reply(self, reply_to: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a reply, unconfirmed and on a channel of its own: a receiver that is gone must disturb nothing else."""
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
        # From the lanes `apply` recognises a publisher that still uses an old number of them.
        self._parameters.client_properties = {
            "connection_name": session_name("writegate publisher"),
            LANES: declared_lanes(),
        }
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
        # One reply that the broker refuses must not prevent all later ones.
        if self._connection is not None and self._connection.is_open:
            self._connection.channel(on_open_callback=self._replies_opened)

    def _channel_opened(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        channel.basic_consume(REPLY_TO, self._replied, auto_ack=True)
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        self._failures = 0
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
        refused = is_refusal(error)
        self._connection = self._replies = None
        if self.channel is not None:
            self.channel = None
            self._listener.on_down()
        if self._closing:
            self._loop.stop()
            return
        self._failures += 1
        seconds = backoff_seconds(self._failures, first=_FIRST_RETRY_SECONDS, longest=_LONGEST_RETRY_SECONDS)
        self._loop.call_later(seconds, self._connect)
        fields = {"error": self.last_error, "user": self.user}
        if refused:
            self._listener.on_login_refused(self.last_error)
            # Again with each attempt: nothing is sent until a person acts.
            log.error(
                "the broker does not let %s in: %s: check WRITEGATE_BROKER_URL", self.user, self.last_error,
                extra={"event": "publisher.login_refused", **fields},
            )  # fmt: skip
        else:
            log.warning(
                "broker connection lost: %s", self.last_error, extra={"event": "publisher.connection_lost", **fields}
            )

    def _stop(self) -> None:
        self._closing = True
        if self._connection is None:
            self._loop.stop()
        elif self._connection.is_open:
            self._connection.close()
        # Otherwise it is opening or closing, which pika cannot interrupt; `_lost` or `_opened` then stops the loop.
