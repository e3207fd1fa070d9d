"""What a publisher hears of a writer, without one: the replies it is given."""

from __future__ import annotations

import threading

import pika

from tests.broker import DEADLINE_SECONDS, Vhost


class Writer:
    """Answers the first message of lane 0 as a writer would, with the bodies it is given."""

    def __init__(self, vhost: Vhost, *bodies: bytes) -> None:
        self._vhost = vhost
        self._bodies = bodies
        self._thread = threading.Thread(target=self._answer)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _answer(self) -> None:
        with self._vhost.channel() as channel:
            consumed = channel.consume("writes.accounts.0", auto_ack=True, inactivity_timeout=DEADLINE_SECONDS)
            for body, (_, asked, _) in zip(self._bodies, consumed, strict=False):
                properties = pika.BasicProperties(correlation_id=asked.correlation_id)
                channel.basic_publish("", asked.reply_to, body, properties)
            channel.cancel()
