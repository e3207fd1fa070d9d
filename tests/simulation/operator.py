"""People who decide about parked and deferred commands: a page at a time, as the writer does it for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from pydantic_core import from_json, to_json

from tests.simulation.database import Database, Session
from tests.simulation.schedule import Group
from tests.simulation.services import DOMAINS, SERVED, Numbered
from tests.simulation.store import ParkedRow
from writegate.contract.command import contract_of
from writegate.contract.ids import ledger_id
from writegate.contract.lanes import lane_of
from writegate.message.receipt import Cause
from writegate_writer.decide.deferral import DeferredRow
from writegate_writer.decide.store import Removal
from writegate_writer.errors import DatabaseFault

_NEEDED = {"bank.order", "parcels.ship"}  # without what these make, others would wait until their time is over
_DOMAIN_OF = {lane: domain for domain, lanes in DOMAINS.items() for lane in lanes}


class Operator:
    """Acts now and then. When there are no faults any more it drops whatever makes a key wait."""

    def __init__(
        self,
        database: Database,
        random: Random,
        active: Callable[[], bool],
        unfinished: Callable[[], list[Numbered]],
    ) -> None:
        self.group = Group("operator")
        self._database = database
        self._random = random
        self._active = active
        self._unfinished = unfinished  # what publishers got accepted, and is not applied yet
        self._pause_seconds = random.choice((0.3, 1.0, 3.0))
        # A transaction of a writer's slot, which is counted with the writers' connections already.
        self._session = Session(database, "operator", self.group)

    def run(self) -> None:
        """Go on for ever."""
        while True:
            self._database.schedule.pause(self._random.random() * self._pause_seconds)
            if not self._database.up:
                continue
            chance = self._random.random()
            if not self._active():
                self._act_on_parked(self._page(lambda row: row.parks_key), self._drop)
            elif chance < 0.5:
                self._act_on_parked(self._page(lambda row: row.ledger_id is not None), self._replay)
            elif chance < 0.7:
                self._act_on_parked(self._page(lambda row: row.parks_key), self._drop)
            elif chance < 0.8:
                self._act_on_deferred(lambda _: True, self._replay_now)
            else:
                removal = Removal(Cause("by-people", "out of the way"), dropped=self._random.random() < 0.5)
                if chance < 0.95:
                    self._act_on_deferred(
                        lambda row: row.item.task not in _NEEDED, partial(self._remove, removal=removal)
                    )
                else:
                    self._take_out(removal)

    def _page(self, wanted: Callable[[ParkedRow], bool]) -> list[tuple[Any, ParkedRow]]:
        rows = self._database.tables.get("parked", {})
        found = sorted((row.number, key) for key, row in rows.items() if row.state == "parked" and wanted(row))
        return [(key, rows[key]) for _, key in found[: self._random.choice((1, 3, 100))]]

    def _act_on_parked(self, page: list[tuple[Any, ParkedRow]], do: Callable[[Any, ParkedRow], None]) -> None:
        domains = {_DOMAIN_OF[key[0], lane] for key, row in page for lane in (row.lane, _lane_of(key[0], row))}

        def work() -> None:
            for key, row in page:
                do(key, row)

        self._act(domains, work)

    def _act_on_deferred(self, wanted: Callable[[DeferredRow], bool], do: Callable[[int, DeferredRow], None]) -> None:
        rows = self._database.tables.get("deferred", {})
        found = [seq for seq, (_, state, _, row) in rows.items() if state == "deferred" and wanted(row)]
        chosen = self._random.sample(sorted(found), min(len(found), self._random.choice((1, 2, 100))))

        def work() -> None:
            for seq in chosen:
                row = self._session.get("deferred", seq)
                if row is not None and row[1] == "deferred":  # its domain's owner may have decided until now
                    do(seq, row[3])

        self._act({rows[seq][0] for seq in chosen}, work)

    def _act(self, domains: set[str], work: Callable[[], None]) -> None:
        schedule = self._database.schedule
        schedule.point()
        self._session.begin()
        try:
            for domain in sorted(domains):
                self._session.lock("domain", domain)
        except DatabaseFault:  # it has waited for too long
            self._session.end(commit=False)
            return
        work()
        schedule.point()
        for domain in sorted(domains):
            self._session.put("revision", domain, (self._session.get("revision", domain) or 0) + 1)
        self._session.end(commit=True)
        schedule.point()

    def _drop(self, key: Any, row: ParkedRow) -> None:
        self._session.put("parked", key, replace(row, state="dropped"))
        self._database.history.add(self._database.schedule.now, "operator", "drops {}", key)

    def _remove(self, seq: int, row: DeferredRow, removal: Removal) -> None:
        self._session.put("removal", (row.service, ledger_id(row.item.id)), removal)
        self._database.history.add(self._database.schedule.now, "operator", "removes {} {}", seq, row.item.fields)

    def _take_out(self, removal: Removal) -> None:
        """Remove a command wherever it is: in a lane, at its publisher still, or deferred."""
        waiting = [command for command in self._unfinished() if contract_of(command).task not in _NEEDED]
        if not waiting:
            return
        command = self._random.choice(waiting)
        service, id_ = contract_of(command).service, ledger_id(command.command_id)

        def work() -> None:
            if self._session.get("ledger", (service, id_)) is None:
                self._session.put("removal", (service, id_), removal)
                self._database.history.add(self._database.schedule.now, "operator", "takes out {}", command)

        self._act({domain for (of, _), domain in _DOMAIN_OF.items() if of == service}, work)

    def _replay_now(self, seq: int, row: DeferredRow) -> None:
        """The new revision of its domain is all that is needed."""
        self._database.history.add(self._database.schedule.now, "operator", "wants tried {} {}", seq, row.item.fields)

    def _replay(self, key: Any, row: ParkedRow) -> None:
        assert row.item is not None
        service, _, hash_ = key
        item = row.item
        mended = from_json(item.fields).get("bad") == "kills" or self._random.random() < 0.7
        if mended:
            item = replace(item, fields=to_json({**from_json(item.fields), "bad": ""}))
        seq, lane = row.place, _lane_of(service, row)
        deferred = DeferredRow(seq, service, lane, item, hash_, None, None, False, False, row.number)
        waits = self._session.get("deferred id", (service, row.ledger_id))
        if waits is not None:
            if self._session.get("deferred", waits[0])[1] == "deferred":
                return
            self._session.put("deferred", waits[0], None)
        self._session.put("deferred id", (service, row.ledger_id), (seq, hash_))
        self._session.put("deferred", seq, (_DOMAIN_OF[service, lane], "deferred", None, deferred))
        self._session.put("parked", key, replace(row, item=item, state="replaying"))
        self._database.history.add(self._database.schedule.now, "operator", "replays {} as {}", key, item.fields)


def _lane_of(service: str, row: ParkedRow) -> int:
    return lane_of(row.item.key, SERVED[service].service.lanes) if row.item is not None else row.lane
