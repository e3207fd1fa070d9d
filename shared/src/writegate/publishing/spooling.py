"""Which lanes go through the spool, and how their commands are sent from it in order.

While commands of a lane wait in the spool, everything that is published to that lane is added behind them. Once the
last of them has been given to the pipeline, new commands wait for it in memory by key, like any others.
"""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from writegate.backoff import backoff_seconds
from writegate.errors import PublishError, SpoolFull
from writegate.message.topology import Route
from writegate.publishing.pipeline import Call, Parcel, parcels_of
from writegate.publishing.spool import Entry, Spool
from writegate.publishing.wire import REPLY_TO

log = logging.getLogger(__name__)

_READ_COMMANDS = 2000  # read and sent at a time for each lane: a few messages
# The wait before a lane is sent again after a failure: after the first one, and at most.
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 1.0, 5.0
_ADOPT_SECONDS = 30.0  # how often files of ended processes are looked for


class _SpoolCall(Call):
    """The call for entries that are sent from the spool. Its first error stops the lane, so that order is kept."""

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
    """Sends what is in a spool. Used on the publisher's I/O thread.

    ``submit`` sends parcels without a time limit. ``stop`` removes a call's parcels that have not been sent, and puts
    whatever else waits in that lane into the spool. ``later`` calls a function after some seconds,
    ``chance`` returns a random number from 0 to 1.
    """

    def __init__(
        self,
        spool: Spool,
        submit: Callable[[Sequence[Parcel]], None],
        stop: Callable[[Route, Call, Exception], None],
        later: Callable[[float, Callable[[], None]], None],
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self._chance = chance
        self._submit = submit
        self._take_back = stop
        self._later = later
        self._lanes = set(spool.lanes())  # with entries that have not been submitted yet
        self._sending: set[Route] = set()  # with entries that are submitted, or that wait for their next attempt
        self._failures: dict[Route, int] = {}  # attempts in a row that failed
        self._closed = False
        later(_ADOPT_SECONDS, self._adopt)

    def close(self) -> None:
        """Close the spool. Entries that are not confirmed yet are sent once more by the next process."""
        self._closed = True
        self._spool.close()

    @property
    def empty(self) -> bool:
        """Whether everything that was ever in it has been confirmed."""
        return not self._lanes and not self._sending

    def __contains__(self, route: Route) -> bool:
        """Whether commands that are published to this lane must be added behind those in the spool."""
        return route in self._lanes

    def append(self, parcels: Sequence[Parcel]) -> None:
        """Write parcels to the spool in order, and settle each: it is on disk now, or it was refused."""
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
        """Send the next entries of every lane that is not sending. To be called whenever the broker is reachable."""
        for route in sorted(self._lanes - self._sending, key=str):
            self._send(route)

    def _send(self, route: Route) -> None:
        if self._closed:
            return
        try:
            read = self._spool.read(route, _READ_COMMANDS)
        except (sqlite3.Error, ValueError) as error:
            self._failed(route, error)
            return
        if not read:
            self._lanes.discard(route)
            return
        if len(read) < _READ_COMMANDS:
            self._lanes.discard(route)  # everything in it is submitted now
        self._sending.add(route)
        call = _SpoolCall(partial(self._sent, route, read[-1][0]), read[0][1].item.id, partial(self._stop, route))
        entries = [entry for _, entry in read]
        self._submit(
            [
                parcel
                for (headers, receipt), alike in groupby(entries, lambda entry: (entry.headers, entry.receipt))
                for parcel in parcels_of(
                    [(route, entry.item) for entry in alike], call, headers, REPLY_TO if receipt else None
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
        self._failures.pop(route, None)
        self._sending.discard(route)
        if more:
            self._send(route)

    def _failed(self, route: Route, error: Exception) -> None:
        """Log it and try again later: the entries were accepted. A person may have to act, as for a missing queue."""
        fields = {"event": "spool.lane_refused", "exchange": route.exchange, "lane": route.routing_key}
        text = f"{route.exchange} lane {route.routing_key} cannot be sent from the spool: {error}"
        log.error("%s", text, extra=fields)
        self._lanes.add(route)
        self._sending.add(route)
        self._failures[route] = failures = self._failures.get(route, 0) + 1
        seconds = backoff_seconds(
            failures, first=_FIRST_RETRY_SECONDS, longest=_LONGEST_RETRY_SECONDS, chance=self._chance()
        )
        self._later(seconds, partial(self._again, route))

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
