"""What happens on a publisher's I/O thread: calls come in, messages go out, confirms settle them.

Order of a call's life: ``submit`` (any thread) → ``_take`` → the pipeline says when → ``_send`` → confirm, refusal
or return → ``_settle``. When the connection is lost, every message in flight is sent again with the same ids: the
ledger makes that harmless, and no later message of those keys has left meanwhile.

With a spool, a lane's messages turn off to it when the broker is away, refuses one for length, or has not confirmed
one shortly before its call's time limit; see :mod:`writegate.publishing.spooling`.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

import pika

from writegate.contract.ids import new_id
from writegate.errors import (
    AccessDenied,
    PublisherClosed,
    PublishError,
    PublishTimeout,
    QueueFull,
    TooLarge,
    Unroutable,
)
from writegate.message.envelope import Message, encode, encode_many
from writegate.message.topology import Route
from writegate.publishing.call_deadlines import Deadlines
from writegate.publishing.pipeline import Call, Parcel, Pipeline
from writegate.publishing.spool import Spool
from writegate.publishing.spooling import Spooling
from writegate.publishing.wire import REPLY_TO, Carrier, Listener

log = logging.getLogger(__name__)

WhenFull = Literal["spool", "wait", "fail"]
"""What becomes of a command whose lane is full: it goes to the spool, waits until its time limit, or is refused."""

# AcceptedBy often time limits are looked at: a call may overrun its limit by this much.
_TICK_SECONDS = 0.05
# After so long a message that was refused is sent again, if it waits for a full lane.
_AGAIN_SECONDS = 0.5
# So many unconfirmed messages of a lane keep it busy; what else is ready travels together in the next one.
_WINDOW = 4
# A broker that is away for less is waited for; one that is away for longer is not, and nobody waits.
_AWAY_SECONDS = 1.0


class Engine:
    """Sends parcels over a :class:`Carrier` in the order a :class:`Pipeline` allows."""

    def __init__(  # noqa: PLR0913  what it connects
        self,
        wire_to: Callable[[Listener], Carrier],
        app_id: str | None,
        on_reply: Callable[[str, bytes], None],
        *,
        spool: Spool | None = None,
        when_full: WhenFull = "fail",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wire = wire_to(self)
        self._now = now
        self.app_id = app_id or self.wire.user
        self._on_reply = on_reply
        self._pipeline = Pipeline()
        self._ready: dict[Route, deque[Parcel]] = {}  # may travel, in order
        self._unconfirmed: dict[int, Parcel] = {}  # by delivery tag, in order
        self._on_their_way: dict[Route, int] = {}  # how many of these
        self._returned: dict[str, str] = {}  # message id → why, until its confirm
        self._tag = 0
        self._blocked: str | None = None
        self._deadlines = Deadlines(_TICK_SECONDS)
        self._lock = threading.Lock()
        self._inbox: deque[tuple[Call, list[Parcel]]] = deque()
        self._posted = False
        self._ended = False
        self._ticking = False
        self._away_since: float | None = now()
        self._when_full = when_full
        self._spooling = (
            Spooling(spool, self._admit, self._stop_sending, self.wire.later) if spool is not None else None
        )

    @property
    def connected(self) -> bool:
        """Whether the broker is there and reads what we send."""
        return self.wire.channel is not None and self._blocked is None

    @property
    def spool_empty(self) -> bool:
        """Whether nothing waits in the spool."""
        return self._spooling is None or self._spooling.empty

    def submit(self, call: Call, parcels: list[Parcel]) -> None:
        """Hand in a call. From any thread; calls of one thread keep their order."""
        with self._lock:
            ended = self._ended
            if not ended:
                self._inbox.append((call, parcels))
                if self._posted:
                    return  # one wake-up serves all that come before it is answered
                self._posted = True
        if ended:
            call.end(_closed(call.first_id))
        else:
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
        away = self._spooling is not None and self._long_away()
        if away:
            self._turn_off(self._pipeline.lanes)  # before what came later
        spooled: list[Parcel] = []
        for call, parcels in taken:
            self._watch(call, call.deadline if call.spool_at is None else call.spool_at)
            for parcel in parcels:
                if parcel.spoolable and (away or (self._spooling is not None and parcel.route in self._spooling)):
                    spooled.append(parcel)
                elif self._pipeline.add(parcel):
                    self._make_ready(parcel)
        if spooled:
            self._spool(spooled)
        self._flush()

    def _admit(self, parcels: Sequence[Parcel]) -> None:
        """Take in parcels that come from the spool."""
        for parcel in parcels:
            if self._pipeline.add(parcel):
                self._make_ready(parcel)
        self._flush()

    def _make_ready(self, parcel: Parcel) -> None:
        self._ready.setdefault(parcel.route, deque()).append(parcel)

    def _flush(self) -> None:
        while self.connected and (route := self._next()) is not None:
            lane = self._ready[route]
            self._send_first(lane)
            if not lane and self._ready.get(route) is lane:
                del self._ready[route]

    def _next(self) -> Route | None:
        """Return a route that has something to send and may."""
        ready = (route for route, lane in self._ready.items() if lane)
        return next((route for route in ready if self._on_their_way.get(route, 0) < _WINDOW), None)

    def _send_first(self, lane: deque[Parcel]) -> None:
        parcel = lane.popleft()
        if parcel.superseded:
            return
        if parcel.abandoned and not parcel.sent:
            # Its time limit passed before it left: the caller was told, so it must not arrive after all.
            self._settle(parcel, None)
            return
        # What is ready behind it travels along: a message of many costs little more than a message of one.
        while lane and (lane[0].superseded or self._pipeline.joins(parcel, lane[0])):
            lane.popleft()
        self._send(parcel)

    def _send(self, parcel: Parcel) -> None:
        try:
            message = self._message(parcel)
            self.wire.publish(
                parcel.route.exchange, parcel.route.routing_key, message.body, self._properties(message, parcel)
            )
        except Exception as error:
            # Nothing of it has left: pika makes all frames of a message first. And this thread serves everybody.
            log.exception("a message cannot be sent", extra={"event": "publisher.cannot_send"})
            parcel.sent = True  # as far as what waits behind it is concerned
            self._settle(parcel, PublishError(parcel.items[0].id, f"it cannot be sent: {error!r}"))
            return
        self._tag += 1
        self._unconfirmed[self._tag] = parcel
        self._on_their_way[parcel.route] = self._on_their_way.get(parcel.route, 0) + 1
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
        for freed in self._pipeline.settle(parcel):
            self._make_ready(freed)

    def _spool(self, parcels: Sequence[Parcel]) -> None:
        assert self._spooling is not None  # noqa: S101  nothing is spoolable without one
        self._spooling.append(parcels)
        if self.connected and not self._ended:
            self._spooling.send()

    def _turn_off(self, lanes: Iterable[Route]) -> None:
        """Let all that waits in these lanes go to the spool."""
        parcels = [parcel for lane in lanes for parcel in self._pipeline.take_lane(lane)]
        if parcels:
            self._spool(parcels)

    def _stop_sending(self, lane: Route, call: Call, error: Exception) -> None:
        """Something from the spool failed: what was read behind it must not leave before it, nor what waits here."""
        behind = self._pipeline.take_unsent(lane, call)
        self._turn_off([lane])
        for parcel in behind:
            parcel.settle(error)

    def end(self, timeout: float) -> None:
        """Settle everything for good: what may goes to the spool, the rest fails. From any other thread."""
        ended = threading.Event()
        self.wire.post(partial(self._end, ended))
        ended.wait(timeout)

    def _end(self, ended: threading.Event) -> None:
        with self._lock:
            self._ended = True  # from now on calls fail where they are made
        self._take()
        if self._spooling is not None:
            self._turn_off(self._pipeline.lanes)
            self._spooling.close()
            self._spooling = None
        for lane in self._pipeline.lanes:
            for parcel in reversed(self._pipeline.of_lane(lane)):
                parcel.superseded = True
                self._pipeline.settle(parcel)
                parcel.settle(_closed(parcel.items[0].id))
        ended.set()

    def _long_away(self) -> bool:
        return self._away_since is not None and self._now() - self._away_since >= _AWAY_SECONDS

    def _noticed(self) -> None:
        """The broker came back, or went away."""
        if not self.connected:
            self._away_since = self._now() if self._away_since is None else self._away_since
            return
        self._away_since = None
        self._flush()
        if self._spooling is not None:
            self._spooling.send()

    # What the wire saw.

    def on_up(self) -> None:
        self._tag = 0
        self._noticed()

    def on_down(self) -> None:
        # Back to the front, in the order in which they had left.
        for parcel in reversed(self._unconfirmed.values()):
            self._ready.setdefault(parcel.route, deque()).appendleft(parcel)
        self._unconfirmed.clear()
        self._on_their_way.clear()
        self._returned.clear()
        self._noticed()

    def on_channel_refused(self, code: int, text: str) -> None:
        """Fail what the broker named; send the rest again: one bad message must not fail its neighbours."""
        error: type[PublishError] = {403: AccessDenied, 404: Unroutable, 406: TooLarge}.get(code, Unroutable)
        sent = [parcel for lane in self._ready.values() for parcel in lane if parcel.sent and not parcel.superseded]
        guilty = [parcel for parcel in sent if f"'{parcel.route.exchange}'" in text] or sent
        for parcel in guilty:
            self._ready[parcel.route].remove(parcel)
            self._settle(parcel, error(parcel.items[0].id, text))

    def on_confirm(self, tag: int, *, multiple: bool, ok: bool) -> None:
        tags = list(itertools.takewhile(lambda one: one <= tag, self._unconfirmed)) if multiple else [tag]
        for one in tags:
            parcel = self._unconfirmed.pop(one)
            self._on_their_way[parcel.route] -= 1
            returned = self._returned.pop(parcel.message_id, None)
            if parcel.superseded:
                continue  # it is in the spool: sent from there once more, it is a duplicate
            if returned is not None:
                text = f"{returned}: run `writegate apply` for that service"
                self._settle(parcel, Unroutable(parcel.items[0].id, text))
            elif ok:
                self._settle(parcel, None)
            else:
                self._refused(parcel)
        self._flush()

    def _refused(self, parcel: Parcel) -> None:
        """Its lane is full."""
        parcel.sent = False  # that much is known
        if parcel.no_deadline or (self._when_full == "wait" and not parcel.abandoned):
            # Still the first of its keys: what comes behind it may not leave before it has been accepted.
            self.wire.later(_AGAIN_SECONDS, partial(self._send_again, parcel))
        elif self._when_full == "spool" and parcel.spoolable:
            self._turn_off([parcel.route])
        else:
            route = parcel.route
            text = f"the broker refused it: {route.exchange} lane {route.routing_key} is full"
            self._settle(parcel, QueueFull(parcel.items[0].id, text))

    def _send_again(self, parcel: Parcel) -> None:
        self._make_ready(parcel)
        self._flush()

    def on_return(self, message_id: str, text: str) -> None:
        self._returned[message_id] = text

    def on_reply(self, correlation_id: str, body: bytes) -> None:
        self._on_reply(correlation_id, body)

    def on_blocked(self, reason: str | None) -> None:
        self._blocked = reason
        self._noticed()

    def _watch(self, call: Call, until: float | None) -> None:
        if until is None:
            return
        self._deadlines.add(call, until)
        if not self._ticking:
            self._ticking = True
            self.wire.later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        now = self._now()
        due = self._deadlines.due(now)
        if self._spooling is not None:
            late = {call for call in due if call.spool_at is not None}
            away = self._long_away()
            self._turn_off([lane for lane in self._pipeline.lanes if away or self._waits_for(lane, late)])
        for call in due:
            if call.done:
                continue
            if call.deadline is not None and call.deadline <= now:
                call.end(
                    PublishTimeout(call.first_id, f"no confirm in time; {self._state()}; retry with the same command")
                )
            else:
                self._watch(call, call.deadline)
        self._ticking = bool(self._deadlines)
        if self._ticking:
            self.wire.later(_TICK_SECONDS, self._tick)

    def _waits_for(self, lane: Route, calls: set[Call]) -> bool:
        return bool(calls) and any(not calls.isdisjoint(parcel.calls) for parcel in self._pipeline.of_lane(lane))

    def _state(self) -> str:
        if self._blocked is not None:
            return f"the broker blocks publishers: {self._blocked}"
        return "connected" if self.wire.channel is not None else f"not connected: {self.wire.last_error}"


def _closed(command_id: str) -> PublisherClosed:
    return PublisherClosed(command_id, "this publisher was closed before the command was accepted")
