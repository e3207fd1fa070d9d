"""A publisher's I/O thread: calls come in, messages go out, confirms settle them.

The life of a call: ``submit`` (any thread) → ``_take`` → the pipeline says when → ``_send`` → confirm, refusal or
return → ``_settle``. When the connection is lost, every unconfirmed message is sent again with the same ids. The ledger
makes that safe, and no later message of those keys has been sent meanwhile.

With a spool, a lane's messages are diverted to it when the broker cannot be reached, refuses a message because the
lane is full, or has not confirmed one shortly before its call's time limit; see :mod:`writegate.publishing.spooling`.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

import pika

from writegate.backoff import backoff_seconds
from writegate.errors import (
    AccessDenied,
    PublisherClosed,
    PublishError,
    PublishTimeout,
    QueueFull,
    TooLarge,
    Unroutable,
)
from writegate.message.topology import Route
from writegate.publishing.call_deadlines import CallDeadlines
from writegate.publishing.login import Login
from writegate.publishing.outgoing import message_of, properties_of
from writegate.publishing.pipeline import Call, Parcel, Pipeline
from writegate.publishing.spool import Spool
from writegate.publishing.spooling import Spooling
from writegate.publishing.wire import Carrier, Listener

log = logging.getLogger(__name__)

WhenFull = Literal["spool", "wait", "fail"]
"""What becomes of a command whose lane is full: it goes to the spool, waits until its time limit, or is refused."""

# How often time limits are checked: a call may overrun its limit by this much.
_TICK_SECONDS = 0.05
# The wait before a message that a full lane refused is sent again: after the first refusal, and at most.
_FIRST_RESEND_SECONDS, _LONGEST_RESEND_SECONDS = 0.25, 1.0
# Unconfirmed messages of a lane at one time. They keep it busy; whatever else is ready is packed into the next message.
_WINDOW = 4
# Calls wait for a broker that cannot be reached for less time than this. After that they go to the spool at once.
_AWAY_SECONDS = 1.0


class Engine:
    """Sends parcels over a :class:`Carrier` in the order that a :class:`Pipeline` allows.

    Everything runs on the carrier's thread, except the methods that say "from any thread". ``_lock`` guards what
    :meth:`submit` shares with that thread: ``_inbox``, ``_posted`` and ``_ended``.
    """

    def __init__(  # noqa: PLR0913  it connects these parts
        self,
        wire_to: Callable[[Listener], Carrier],
        app_id: str | None,
        on_reply: Callable[[str, bytes], None],
        *,
        on_login: Callable[[bool], None] = lambda _: None,
        spool: Spool | None = None,
        when_full: WhenFull = "fail",
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.wire = wire_to(self)
        self._now = now
        self._chance = chance
        self.app_id = app_id or self.wire.user
        self._on_reply = on_reply
        self._pipeline = Pipeline()
        self._ready: dict[Route, deque[Parcel]] = {}  # may travel, in order
        self._unconfirmed: dict[int, Parcel] = {}  # by delivery tag, in order
        self._unconfirmed_count: dict[Route, int] = {}  # the number of these by route
        self._returned: dict[str, str] = {}  # message id → reason, until its confirm
        self._tag = 0
        self._blocked: str | None = None
        self.login = Login(self.wire.user, on_login)
        self._deadlines = CallDeadlines(_TICK_SECONDS)
        self._lock = threading.Lock()
        self._inbox: deque[tuple[Call, list[Parcel]]] = deque()
        self._posted = False
        self._ended = False
        self._ticking = False
        self._away_since: float | None = now()
        self._when_full = when_full
        self._spooling = (
            Spooling(spool, self._admit, self._stop_sending, self.wire.later, chance=chance)
            if spool is not None
            else None
        )

    @property
    def connected(self) -> bool:
        """Whether the channel is open and the broker does not block publishers. From any thread."""
        return self.wire.channel is not None and self._blocked is None

    @property
    def spool_empty(self) -> bool:
        """Whether the spool holds no unconfirmed command. From any thread."""
        return self._spooling is None or self._spooling.empty

    def submit(self, call: Call, parcels: list[Parcel]) -> None:
        """Accept a call for sending. From any thread; calls of one thread keep their order."""
        with self._lock:
            ended = self._ended
            if not ended:
                self._inbox.append((call, parcels))
                if self._posted:
                    return  # the wake-up that is on its way takes this call too
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
            self._divert(self._pipeline.lanes)  # the older parcels go to the spool first
        spooled: list[Parcel] = []
        for call, parcels in taken:
            self._watch(call, call.deadline if call.spool_at is None else call.spool_at)
            for parcel in parcels:
                if self.login.hopeless and not parcel.no_deadline:
                    parcel.settle(self.login.error(parcel.items[0].id))
                elif parcel.spoolable and (away or (self._spooling is not None and parcel.route in self._spooling)):
                    spooled.append(parcel)
                elif self._pipeline.add(parcel):
                    self._make_ready(parcel)
        if spooled:
            self._spool(spooled)
        self._flush()

    def _admit(self, parcels: Sequence[Parcel]) -> None:
        """Add parcels that come from the spool."""
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
        """Return a route that has something to send and is below its window."""
        ready = (route for route, lane in self._ready.items() if lane)
        return next((route for route in ready if self._unconfirmed_count.get(route, 0) < _WINDOW), None)

    def _send_first(self, lane: deque[Parcel]) -> None:
        parcel = lane.popleft()
        if parcel.superseded:
            return
        if parcel.abandoned and not parcel.sent:
            # Its time limit passed before it was sent. The caller has got that error: it must not be written later.
            self._settle(parcel, None)
            return
        # Parcels that are ready behind it are packed into its message, which costs little more than a message of one.
        while lane and (lane[0].superseded or self._pipeline.joins(parcel, lane[0])):
            lane.popleft()
        self._send(parcel)

    def _send(self, parcel: Parcel) -> None:
        try:
            message = message_of(parcel)
            properties = properties_of(parcel, message, self.app_id, self.wire.user)
            self.wire.publish(parcel.route.exchange, parcel.route.routing_key, message.body, properties)
        except Exception as error:
            # No frame of it was sent: pika makes all frames of a message first. The error must not end this thread.
            log.exception("a message cannot be sent", extra={"event": "publisher.cannot_send"})
            parcel.sent = True  # for the pipeline: nothing may be joined to it any more
            self._settle(parcel, PublishError(parcel.items[0].id, f"it cannot be sent: {error!r}"))
            return
        self._tag += 1
        self._unconfirmed[self._tag] = parcel
        self._unconfirmed_count[parcel.route] = self._unconfirmed_count.get(parcel.route, 0) + 1
        parcel.sent = True

    def _settle(self, parcel: Parcel, error: Exception | None) -> None:
        parcel.settle(error)
        for freed in self._pipeline.settle(parcel):
            self._make_ready(freed)

    def _spool(self, parcels: Sequence[Parcel]) -> None:
        assert self._spooling is not None  # noqa: S101  without a spool no parcel is spoolable
        self._spooling.append(parcels)
        if self.connected and not self._ended:
            self._spooling.send()

    def _divert(self, lanes: Iterable[Route]) -> None:
        """Move everything that waits in these lanes to the spool."""
        parcels = [parcel for lane in lanes for parcel in self._pipeline.take_lane(lane)]
        if parcels:
            self._spool(parcels)

    def _stop_sending(self, lane: Route, call: Call, error: Exception) -> None:
        """A command from the spool failed: neither those read behind it nor those waiting here may overtake it."""
        behind = self._pipeline.take_unsent(lane, call)
        self._divert([lane])
        for parcel in behind:
            parcel.settle(error)

    def end(self, timeout: float) -> None:
        """Settle everything: spoolable parcels go to the spool, the others fail. From any thread but the I/O thread."""
        ended = threading.Event()
        self.wire.post(partial(self._end, ended))
        ended.wait(timeout)

    def _end(self, ended: threading.Event) -> None:
        with self._lock:
            self._ended = True  # from now on `submit` fails a call at once
        self._take()
        if self._spooling is not None:
            self._divert(self._pipeline.lanes)
            self._spooling.close()
            self._spooling = None
        self._fail(self._waiting(), _closed)
        ended.set()

    def _waiting(self) -> list[Parcel]:
        return [parcel for lane in self._pipeline.lanes for parcel in self._pipeline.of_lane(lane)]

    def _fail(self, parcels: Sequence[Parcel], error: Callable[[str], PublishError]) -> None:
        # From the last one to the first: in this order none becomes free to be sent.
        for parcel in reversed(parcels):
            parcel.superseded = True
            self._settle(parcel, error(parcel.items[0].id))

    def _long_away(self) -> bool:
        return self._away_since is not None and self._now() - self._away_since >= _AWAY_SECONDS

    def _connection_changed(self) -> None:
        """The broker became reachable, or ceased to be."""
        if not self.connected:
            self._away_since = self._now() if self._away_since is None else self._away_since
            return
        self._away_since = None
        self._flush()
        if self._spooling is not None:
            self._spooling.send()

    # The Listener's methods.

    def on_up(self) -> None:
        """Start counting delivery tags anew, and send what is ready."""
        self._tag = 0
        self.login.let_in()
        self._connection_changed()

    def on_down(self) -> None:
        """Put unconfirmed messages back to the front, in the order in which they were sent."""
        for parcel in reversed(self._unconfirmed.values()):
            self._ready.setdefault(parcel.route, deque()).appendleft(parcel)
        self._unconfirmed.clear()
        self._unconfirmed_count.clear()
        self._returned.clear()
        self._connection_changed()

    def on_login_refused(self, text: str) -> None:
        """Fail the calls that wait, if the broker never let this process in."""
        self.login.refuse(text)
        if self.login.hopeless:
            self._fail([parcel for parcel in self._waiting() if not parcel.no_deadline], self.login.error)

    def on_channel_refused(self, code: int, text: str) -> None:
        """Fail the messages that the broker's text names; the others are sent again."""
        error: type[PublishError] = {403: AccessDenied, 404: Unroutable, 406: TooLarge}.get(code, Unroutable)
        sent = [parcel for lane in self._ready.values() for parcel in lane if parcel.sent and not parcel.superseded]
        guilty = [parcel for parcel in sent if f"'{parcel.route.exchange}'" in text] or sent
        for parcel in guilty:
            self._ready[parcel.route].remove(parcel)
            self._settle(parcel, error(parcel.items[0].id, text))

    def on_confirm(self, tag: int, *, multiple: bool, ok: bool) -> None:
        """Settle the confirmed or refused messages, and send what they made room for."""
        tags = list(itertools.takewhile(lambda earlier: earlier <= tag, self._unconfirmed)) if multiple else [tag]
        for confirmed in tags:
            parcel = self._unconfirmed.pop(confirmed)
            self._unconfirmed_count[parcel.route] -= 1
            returned = self._returned.pop(parcel.message_id, None)
            if parcel.superseded:
                continue  # it is in the spool too, and what is sent from there will be a duplicate
            if returned is not None:
                text = f"{returned}: run `writegate apply` for that service"
                self._settle(parcel, Unroutable(parcel.items[0].id, text))
            elif ok:
                self._settle(parcel, None)
            else:
                self._refused(parcel)
        self._flush()

    def _refused(self, parcel: Parcel) -> None:
        """A message was refused because its lane is full."""
        parcel.sent = False  # a refused message is not in the queue
        if parcel.no_deadline or (self._when_full == "wait" and not parcel.abandoned):
            # It stays the first of its keys: nothing behind it may be sent before it is accepted.
            parcel.refusals += 1
            seconds = backoff_seconds(
                parcel.refusals, first=_FIRST_RESEND_SECONDS, longest=_LONGEST_RESEND_SECONDS, chance=self._chance()
            )
            self.wire.later(seconds, partial(self._send_again, parcel))
        elif self._when_full == "spool" and parcel.spoolable:
            self._divert([parcel.route])
        else:
            route = parcel.route
            text = f"the broker refused it: {route.exchange} lane {route.routing_key} is full"
            self._settle(parcel, QueueFull(parcel.items[0].id, text))

    def _send_again(self, parcel: Parcel) -> None:
        self._make_ready(parcel)
        self._flush()

    def on_return(self, message_id: str, text: str) -> None:
        """Remember that no queue took a message; its confirm settles it."""
        self._returned[message_id] = text

    def on_reply(self, correlation_id: str, body: bytes) -> None:
        """Hand a reply to the publisher."""
        self._on_reply(correlation_id, body)

    def on_blocked(self, reason: str | None) -> None:
        """Stop sending while the broker blocks publishers."""
        self._blocked = reason
        self._connection_changed()

    def _watch(self, call: Call, due_at: float | None) -> None:
        if due_at is None:
            return
        self._deadlines.add(call, due_at)
        if not self._ticking:
            self._ticking = True
            self.wire.later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        now = self._now()
        due = self._deadlines.due(now)
        if self._spooling is not None:
            late = {call for call in due if call.spool_at is not None}
            away = self._long_away()
            self._divert([lane for lane in self._pipeline.lanes if away or self._holds(lane, late)])
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

    def _holds(self, lane: Route, calls: set[Call]) -> bool:
        return bool(calls) and any(not calls.isdisjoint(parcel.calls) for parcel in self._pipeline.of_lane(lane))

    def _state(self) -> str:
        if self._blocked is not None:
            return f"the broker blocks publishers: {self._blocked}"
        return "connected" if self.wire.channel is not None else f"not connected: {self.wire.last_error}"


def _closed(command_id: str) -> PublisherClosed:
    return PublisherClosed(command_id, "this publisher was closed before the command was accepted")
