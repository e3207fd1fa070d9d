"""Counts of messages in queues, read over AMQP: the counts of the management API are some seconds old."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from writegate.config import Settings
from writegate.session_name import command_name, session_name
from writegate_writer.provision.change import ApplyError

_NOT_FOUND = 404


class LaneQueues:
    """Counts messages and consumers of queues. Every method may raise :class:`ApplyError`."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self._connection = connection
        self._channel: BlockingChannel | None = None

    def counts(self, queue: str) -> tuple[int, int]:
        """Return how many messages wait in a queue, without those that a consumer has, and how many consume it.

        Without consumers these are all there are. A queue that does not exist has none.
        """
        try:
            if self._channel is None or not self._channel.is_open:
                self._channel = self._connection.channel()
            declared = self._channel.queue_declare(queue, passive=True).method
        except ChannelClosedByBroker as error:
            if error.reply_code == _NOT_FOUND:
                return 0, 0
            raise ApplyError(f"cannot count the messages of the queue {queue}: {error}") from error
        except AMQPError as error:
            raise ApplyError(f"cannot count the messages of the queue {queue}: {error!r}") from error
        return declared.message_count, declared.consumer_count


@contextmanager
def connect(settings: Settings) -> Iterator[LaneQueues]:
    """Connect as the user of the broker URL."""
    parameters = pika.URLParameters(settings.broker_url)
    parameters.heartbeat = 0  # no thread sends heartbeats between two calls
    parameters.client_properties = {"connection_name": session_name(command_name())}
    try:
        connection = pika.BlockingConnection(parameters)
    except AMQPError as error:
        raise ApplyError(f"cannot connect to the broker: {error!r}: check WRITEGATE_BROKER_URL") from error
    try:
        yield LaneQueues(connection)
    finally:
        if connection.is_open:
            connection.close()
