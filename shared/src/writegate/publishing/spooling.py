"""Which lanes go through the spool, and sending from there, in order.

While a command of a lane waits in the spool, everything that is published to that lane goes there too, behind it. Once
the last one is on its way to the broker, new ones wait for it in memory, key by key, as the pipeline has it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from writegate.errors import PublishError, SpoolFull
from writegate.message.topology import Route
from writegate.publishing.pipeline import Call, Parcel, parcels_of
from writegate.publishing.spool import Entry, Spool
from writegate.publishing.wire import REPLY_TO

log = logging.getLogger(__name__)

# Read and sent at once, of each lane: a few messages.
_READ = 2000
_AGAIN_SECONDS = 5.0
_ADOPT_SECONDS = 30.0


class _Sending(Call):
    """Entries on their way. The first error stops their lane at once: what waits behind them must not leave."""

    __slots__ = ("_on_error",)

    def __init__(
        self,
        finish: Callable[[Exception | None], None],
        first_id: str,
        on_error: Callable[[Call, Exception], None],
    ) -> None:
        super().__init__(finish, None, first_id)
        self._on_error: Callable[[Call, Exception], None] | None = on_error

    def settle(self, error: Exception | None) -> None:
        if error is not None and self._on_error is not None:
            on_error, self._on_error = self._on_error, None
            on_error(self, error)
        super().settle(error)


class Spooling:
    """Used on the publisher's I/O thread.

    ``submit`` sends parcels, without a time limit; ``stop`` takes back what has not left of a call's parcels, and puts
    what waits in that lane into the spool.
    """

    def __init__(
        self,
        spool: Spool,
        submit: Callable[[Sequence[Parcel]], None],
        stop: Callable[[Route, Call, Exception], None],
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._spool = spool
        self._submit = submit
        self._take_back = stop
        self._later = later
        self._lanes = set(spool.lanes())  # with something that is not on its way yet
        self._sending: set[Route] = set()
        self._closed = False
        later(_ADOPT_SECONDS, self._adopt)

    def close(self) -> None:
        """Let go of the spool; what is on its way from it is sent once more by the next process."""
        self._closed = True
        self._spool.close()

    @property
    def empty(self) -> bool:
        """Whether all it ever took has been confirmed."""
        return not self._lanes and not self._sending

    def __contains__(self, route: Route) -> bool:
        """Whether what is published to this lane has to go behind what is here."""
        return route in self._lanes

    def append(self, parcels: Sequence[Parcel]) -> None:
        """Put parcels into the spool, in order, and tell their calls: each is there now, or was refused."""
        error: PublishError | None = None
        try:
            taken = self._spool.append([_entries(parcel) for parcel in parcels])
        except PublishError as refused:
            taken, error = 0, refused
        for parcel in parcels[:taken]:
            self._lanes.add(parcel.route)
            ids = {item.id for item in parcel.items}
            for call in parcel.calls:
                call.spooled |= ids
            parcel.settle(None)
        for parcel in parcels[taken:]:
            first = parcel.items[0].id
            parcel.settle(error.about(first) if error else SpoolFull(first, self._spool.why_full()))

    def send(self) -> None:
        """Send what is next of every lane that has nothing on its way. To be called whenever the broker takes it."""
        for route in sorted(self._lanes - self._sending, key=str):
            self._send(route)

    def _send(self, route: Route) -> None:
        if self._closed:
            return
        try:
            read = self._spool.read(route, _READ)
        except (sqlite3.Error, ValueError) as error:
            self._failed(route, error)
            return
        if not read:
            self._lanes.discard(route)
            return
        if len(read) < _READ:
            self._lanes.discard(route)  # all of it is on its way now
        self._sending.add(route)
        call = _Sending(partial(self._sent, route, read[-1][0]), read[0][1].item.id, partial(self._stop, route))
        self._submit(
            [
                parcel
                for (headers, receipt), some in groupby(read, lambda one: (one[1].headers, one[1].receipt))
                for parcel in parcels_of(
                    [(route, entry.item) for _, entry in some], call, headers, REPLY_TO if receipt else None
                )
            ]
        )

    def _stop(self, route: Route, call: Call, error: Exception) -> None:
        self._lanes.add(route)
        self._take_back(route, call, error)

    def _sent(self, route: Route, last: int, error: Exception | None) -> None:
        if self._closed:
            return
        if error is None:
            try:
                more = self._spool.remove(route, last)
            except sqlite3.Error as failed:
                error = failed
        if error is not None:
            self._failed(route, error)
            return
        self._sending.discard(route)
        if more:
            self._send(route)

    def _failed(self, route: Route, error: Exception) -> None:
        """Somebody has to mend it, such as a missing queue: what is in the spool was promised, so it is tried again."""
        fields = {"event": "spool.lane_refused", "exchange": route.exchange, "lane": route.routing_key}
        text = f"{route.exchange} lane {route.routing_key} cannot be sent from the spool: {error}"
        log.error("%s", text, extra=fields)
        self._lanes.add(route)
        self._sending.add(route)
        self._later(_AGAIN_SECONDS, partial(self._again, route))

    def _again(self, route: Route) -> None:
        self._sending.discard(route)
        self._send(route)

    def _adopt(self) -> None:
        if self._closed:
            return
        try:
            if self._spool.adopt():
                self._lanes.update(self._spool.lanes())
                self.send()
        except (OSError, sqlite3.Error):
            log.exception(
                "what other processes left in the spool cannot be taken over", extra={"event": "spool.not_taken_over"}
            )
        self._later(_ADOPT_SECONDS, self._adopt)


def _entries(parcel: Parcel) -> list[Entry]:
    headers = None if parcel.headers is None else dict(parcel.headers)
    receipt = any(call.receipt for call in parcel.calls)
    return [Entry(parcel.route, item, headers, receipt) for item in parcel.items]
