"""What happens on a publisher's I/O thread: calls come in, messages go out, confirms settle them.

Order of a call's life: ``submit`` (any thread) → ``_take`` → the pipeline says when → ``_send`` → confirm, refusal
or return → ``_settle``. When the connection is lost, every message in flight is sent again with the same ids: the
ledger makes that harmless, and no later message of those keys has left meanwhile.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import pika

from writegate.envelope import Message, encode, encode_many
from writegate.errors import AccessDenied, PublishError, PublishTimeout, QueueFull, TooLarge, Unroutable
from writegate.ids import new_id
from writegate.publish.pipeline import Call, Parcel, Pipeline
from writegate.publish.wire import REPLY_TO, Carrier, Listener

log = logging.getLogger(__name__)

# How often time limits are looked at: a call may overrun its limit by this much.
_TICK_SECONDS = 0.05
# After so long a message that was refused is sent again, if nobody set it a time limit.
_AGAIN_SECONDS = 0.5


class Engine:
    """Sends parcels over a :class:`Carrier` in the order a :class:`Pipeline` allows."""

    def __init__(
        self,
        wire_to: Callable[[Listener], Carrier],
        app_id: str | None,
        on_reply: Callable[[str, bytes], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wire = wire_to(self)
        self._now = now
        self.app_id = app_id or self.wire.user
        self._on_reply = on_reply
        self._pipeline = Pipeline()
        self._ready: deque[Parcel] = deque()  # may travel, in order
        self._unconfirmed: dict[int, Parcel] = {}  # by delivery tag, in order
        self._returned: dict[str, str] = {}  # message id → why, until its confirm
        self._tag = 0
        self._blocked: str | None = None
        self._deadlines: list[tuple[float, int, Call]] = []
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._inbox: deque[tuple[Call, list[Parcel]]] = deque()
        self._posted = False
        self._ticking = False

    @property
    def connected(self) -> bool:
        """Whether the broker is there and reads what we send."""
        return self.wire.channel is not None and self._blocked is None

    def submit(self, call: Call, parcels: list[Parcel]) -> None:
        """Hand in a call. From any thread; calls of one thread keep their order."""
        with self._lock:
            self._inbox.append((call, parcels))
            if self._posted:
                return  # one wake-up serves all that come before it is answered
            self._posted = True
        self.wire.post(self._take)

    def reply(self, reply_to: str, correlation_id: str, body: bytes) -> None:
        """Send a Celery result message, unconfirmed. From any thread."""
        properties = pika.BasicProperties(
            content_type="application/json", content_encoding="utf-8", correlation_id=correlation_id
        )
        self.wire.post(lambda: self.wire.reply(reply_to, body, properties))

    def _take(self) -> None:
        with self._lock:
            taken, self._inbox = self._inbox, deque()
            self._posted = False
        for call, parcels in taken:
            if call.deadline is not None:
                heapq.heappush(self._deadlines, (call.deadline, next(self._count), call))
            self._ready.extend(parcel for parcel in parcels if self._pipeline.add(parcel))
        if self._deadlines and not self._ticking:
            self._ticking = True
            self.wire.later(_TICK_SECONDS, self._tick)
        self._flush()

    def _flush(self) -> None:
        while self._ready and self.connected:
            parcel = self._ready.popleft()
            if parcel.abandoned and not parcel.sent:
                # Its time limit passed before it left: the caller was told, so it must not arrive after all.
                self._settle(parcel, None)
                continue
            self._send(parcel)

    def _send(self, parcel: Parcel) -> None:
        try:
            message = self._message(parcel)
            self.wire.publish(
                parcel.route.exchange, parcel.route.routing_key, message.body, self._properties(message, parcel)
            )
        except Exception as error:
            # Nothing of it has left: pika makes all frames of a message first. And this thread serves everybody.
            log.exception("a message cannot be sent")
            self._settle(parcel, PublishError(parcel.items[0].id, f"it cannot be sent: {error!r}"))
            return
        self._tag += 1
        self._unconfirmed[self._tag] = parcel
        parcel.sent = True

    def _message(self, parcel: Parcel) -> Message:
        if len(parcel.items) == 1:
            parcel.message_id = parcel.items[0].id
            return encode(parcel.items[0])
        parcel.message_id = parcel.message_id or new_id()
        return encode_many(parcel.message_id, parcel.items)

    def _properties(self, message: Message, parcel: Parcel) -> pika.BasicProperties:
        headers = {**message.headers, **(parcel.headers or {})}
        wants_reply = any(call.receipt for call in parcel.calls)
        return pika.BasicProperties(
            **message.properties,
            headers=headers,
            app_id=self.app_id,
            user_id=self.wire.user,
            timestamp=int(time.time()),
            reply_to=REPLY_TO if wants_reply else parcel.reply_to,
        )

    def _settle(self, parcel: Parcel, error: Exception | None) -> None:
        parcel.settle(error)
        self._ready.extend(self._pipeline.settle(parcel))

    # What the wire saw.

    def on_up(self) -> None:
        self._tag = 0
        self._flush()

    def on_down(self) -> None:
        # Back to the front, in the order in which they had left.
        self._ready.extendleft(reversed(self._unconfirmed.values()))
        self._unconfirmed.clear()
        self._returned.clear()

    def on_channel_refused(self, code: int, text: str) -> None:
        """Fail what the broker named; send the rest again: one bad message must not fail its neighbours."""
        error: type[PublishError] = {403: AccessDenied, 404: Unroutable, 406: TooLarge}.get(code, Unroutable)
        sent = [parcel for parcel in self._ready if parcel.sent]
        guilty = [parcel for parcel in sent if f"'{parcel.route.exchange}'" in text] or sent
        self._ready = deque(parcel for parcel in self._ready if parcel not in guilty)
        for parcel in guilty:
            self._settle(parcel, error(parcel.items[0].id, text))

    def on_confirm(self, tag: int, *, multiple: bool, ok: bool) -> None:
        tags = list(itertools.takewhile(lambda one: one <= tag, self._unconfirmed)) if multiple else [tag]
        for one in tags:
            parcel = self._unconfirmed.pop(one)
            returned = self._returned.pop(parcel.message_id, None)
            first = parcel.items[0].id
            if returned is not None:
                self._settle(parcel, Unroutable(first, f"{returned}: run `writegate apply` for that service"))
            elif not ok and parcel.patient:
                # Still the first of its keys: what comes behind it may not leave before it has been accepted.
                self.wire.later(_AGAIN_SECONDS, partial(self._send_again, parcel))
            elif not ok:
                self._settle(
                    parcel,
                    QueueFull(
                        first, f"the broker refused it: {parcel.route.exchange} lane {parcel.route.routing_key} is full"
                    ),
                )
            else:
                self._settle(parcel, None)
        self._flush()

    def _send_again(self, parcel: Parcel) -> None:
        self._ready.append(parcel)
        self._flush()

    def on_return(self, message_id: str, text: str) -> None:
        self._returned[message_id] = text

    def on_reply(self, correlation_id: str, body: bytes) -> None:
        self._on_reply(correlation_id, body)

    def on_blocked(self, reason: str | None) -> None:
        self._blocked = reason
        if reason is None:
            self._flush()

    def _tick(self) -> None:
        now = self._now()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, call = heapq.heappop(self._deadlines)
            if not call.done:
                call.end(
                    PublishTimeout(call.first_id, f"no confirm in time; {self._state()}; retry with the same command")
                )
        self._ticking = bool(self._deadlines)
        if self._ticking:
            self.wire.later(_TICK_SECONDS, self._tick)

    def _state(self) -> str:
        if self._blocked is not None:
            return f"the broker blocks publishers: {self._blocked}"
        return "connected" if self.wire.channel is not None else f"not connected: {self.wire.last_error}"
