"""The ports of a writer to the database, with the meaning of the writer's SQL on simulated tables."""

# ruff: noqa: ARG002  the signatures are given by what is simulated
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from tests.simulation import services
from tests.simulation.database import Session
from tests.simulation.history import Violation
from tests.simulation.leases import SimulatedLeases
from writegate.contract.command import Command
from writegate.message.envelope import Item
from writegate.message.receipt import Cause, Outcome, Receipt
from writegate_writer.decide.deferral import Deferral, DeferredIndex, DeferredRow, Key, Postponed
from writegate_writer.decide.store import PARKED, Decision, Known, Opened, Outgoing, Owner, Started
from writegate_writer.errors import SERIALIZATION_FAILURE, UNIQUE_VIOLATION, DatabaseFault, Fault
from writegate_writer.receive.delivery import Refused


@dataclass(frozen=True, slots=True, order=True)
class ParkedRow:
    """A parked command."""

    number: int
    lane: int
    item: Item | None
    ledger_id: str | None
    parks_key: bool
    cause: Cause
    place: int
    state: str = "parked"


START = datetime(2026, 1, 1, tzinfo=UTC)
_WRITER = "writer"
_FIRST_HOLD_SECONDS, _LONGEST_HOLD_SECONDS = 1.0, 60.0


class SimulatedStore:
    """A :class:`~writegate_writer.decide.store.Store` over a simulated session."""

    def __init__(
        self, session: Session, fresh_id: Callable[[], str], broken: Callable[[str], bool], die: Callable[[], None]
    ) -> None:
        self.session = session
        self._die = die  # the process ends
        self._fresh_id = fresh_id
        self._broken = broken  # whether a command type's deployment is broken now

    @property
    def _now(self) -> float:
        return self.session.database.schedule.now

    def fence(self, owner: Owner) -> None:
        """What the function of that name does in the database."""
        self.session.lock("domain", owner.domain)
        writer, epoch, until = self.session.get("domain", owner.domain)
        if epoch != owner.epoch:
            raise DatabaseFault("WG001", f"domain {owner.domain} is not held with epoch {owner.epoch} any more")
        if until < self._now + owner.lease_seconds / 2:
            self.session.put("domain", owner.domain, (writer, epoch, self._now + owner.lease_seconds))

    def begin(self, owner: Owner) -> None:
        """Begin a transaction and pass the fence."""
        self.session.begin()
        self.fence(owner)
        self.session.past_fence = owner.domain
        inside = [one.name for one in self.session.database.sessions if one.past_fence == owner.domain]
        self.session.database.history.add(self._now, self.session.name, "in {} with epoch {}", *_of(owner))
        if len(inside) > 1:
            raise Violation(f"{len(inside)} transactions at once in {owner.domain}: {', '.join(inside)}")

    def start(self, owner: Owner) -> Started:
        def work() -> Started:
            self.begin(owner)
            outbox = [row for _, (domain, row) in self.session.rows("outbox") if domain == owner.domain]
            index = self._read_index(owner)
            self.session.end(commit=True)
            return Started(outbox, index)

        started: Started = self._own("start", work)
        return started

    def deferred_index(self, owner: Owner) -> DeferredIndex:
        found: DeferredIndex = self.session.alone("read index", lambda: self._read_index(owner))
        return found

    def _read_index(self, owner: Owner) -> DeferredIndex:
        keys = Counter(_key_of(row) for row in self._waiting(owner))
        return DeferredIndex(keys, self._parked_keys(owner), self.session.get("revision", owner.domain) or 0)

    def check_owned(self, owner: Owner) -> None:
        def work() -> None:
            self.session.begin()
            self.fence(owner)
            self.session.end(commit=True)

        self._own("check", work)

    def open(self, owner: Owner, service: str, ids: Sequence[str], since: date) -> Opened:
        def work() -> Opened:
            self.begin(owner)
            known = {one: row for one in ids if (row := self.session.get("ledger", (service, one))) is not None}
            deferred = {
                one: seq_hash[1]
                for one in ids
                if (seq_hash := self.session.get("deferred id", (service, one))) is not None
                and self.session.get("deferred", seq_hash[0])[1] == "deferred"
            }
            at = datetime.fromtimestamp(START.timestamp() + self._now, UTC)
            number, holds = next(self.session.database.numbers), SimulatedLeases(self.session).held()
            revision = self.session.get("revision", owner.domain) or 0
            removals = {one: row for one in ids if (row := self.session.get("removal", (service, one))) is not None}
            return Opened(number, 0, at, known, deferred, holds, revision, removals)

        opened: Opened = self._own("open", work)
        return opened

    def enter(self, owner: Owner, opened: Opened, service: str, commands: int) -> None:
        self._own("enter", lambda: None)

    def call(self, service: str, task: str, commands: Sequence[Command]) -> Mapping[str, Any] | None:
        def work() -> dict[str, Any]:
            if self._broken(task):
                raise DatabaseFault("42P01", "relation does not exist")
            return services.apply(self.session, commands, self._fresh_id)

        if any(isinstance(one, services.Numbered) and one.bad == "kills" for one in commands):
            self._die()
        try:
            results: dict[str, Any] = self.session.request(f"{task} x{len(commands)}", work)
        except DatabaseFault as error:
            raise self._by_handlers(error).with_(task=task) from error
        return results

    def _by_handlers(self, error: DatabaseFault) -> DatabaseFault:
        """Return the error of what handlers did, with what the connection knows about it."""
        return error.with_(from_handlers=self.session.up)

    def check_constraints(self) -> None:
        """They are all checked at once here."""

    def changed_rows(self) -> Mapping[str, int]:
        """The handlers here change what they are registered with."""
        return {}

    def leave_role(
        self, owner: Owner, opened: Opened, service: str, decisions: Sequence[Decision], sent: int | None
    ) -> bool:
        def work() -> bool:
            for decision in sorted(decisions, key=lambda decision: decision.ledger_id):
                self.session.insert("ledger", (service, decision.ledger_id), Known(decision.outcome, decision.hash))
            if sent is not None:
                self._forget(owner, sent)
            return True

        return bool(self._own("leave", work))

    def park(self, refused: Sequence[Refused], places: Mapping[str, int]) -> None:
        def work() -> None:
            for one in refused:
                key = (one.delivery.service, one.id, one.hash)
                self.session.lock("parked", key)
                if self.session.get("parked", key) is None:
                    number = next(self.session.database.numbers)
                    place = places.get(one.ledger_id or "", number)
                    row = ParkedRow(number, one.delivery.lane, one.item, one.ledger_id, one.parks_key, one.cause, place)
                    self.session.put("parked", key, replace(row, state=_state_of(one)))

        self._own("park", work)

    def settle_parked(
        self, opened: Opened, service: str, decided: Mapping[int, Decision], again: Mapping[int, Refused]
    ) -> None:
        def work() -> None:
            for key, row in self.session.rows("parked"):
                if (decision := decided.get(row.number)) is not None:
                    self.session.put("parked", key, replace(row, state="replayed"))
                    ledger = (service, decision.ledger_id)
                    if self.session.get("ledger", ledger).outcome == PARKED:
                        self.session.put("ledger", ledger, Known(decision.outcome, decision.hash))
                elif (refused := again.get(row.number)) is not None:
                    changes = {"cause": refused.cause, "parks_key": refused.parks_key, "lane": refused.delivery.lane}
                    self.session.put("parked", key, replace(row, state=_state_of(refused), **changes))

        self._own("settle parked", work)

    def defer(self, owner: Owner, deferrals: Sequence[Deferral]) -> None:
        def work() -> None:
            for deferral in deferrals:
                seq = next(self.session.database.numbers)
                arrived, delivery = deferral.arrived, deferral.arrived.delivery
                until = None if deferral.limit_seconds is None else self._now + deferral.limit_seconds
                row = DeferredRow(
                    seq,
                    delivery.service,
                    delivery.lane,
                    arrived.item,
                    arrived.hash,
                    None,
                    None,
                    limited=False,
                    overdue=False,
                    reason=deferral.reason,
                    at_fault=deferral.at_fault,
                    failed=deferral.failed,
                )
                self.session.insert("deferred id", (delivery.service, arrived.ledger_id), (seq, arrived.hash))
                self.session.put("deferred", seq, (owner.domain, "deferred", until, row))

        self._own("defer", work)

    def settle_deferred(self, outcomes: Mapping[int, Outcome]) -> None:
        def work() -> None:
            for seq, state in outcomes.items():
                self.session.lock("deferred", seq)
                domain, before, until, row = self.session.get("deferred", seq)
                if before != "deferred":
                    raise DatabaseFault(SERIALIZATION_FAILURE, "a deferred command was decided meanwhile")
                self.session.put("deferred", seq, (domain, state, until, row))

        self._own("settle", work)

    def end_removals(self, service: str, ids: Sequence[str]) -> None:
        def work() -> None:
            for id_ in ids:
                self.session.put("removal", (service, id_), None)

        self._own("end removals", work)

    def fill_outbox(self, owner: Owner, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        def work() -> list[Outgoing]:
            rows = [replace(one, seq=next(self.session.database.numbers)) for one in outgoing]
            for row in rows:
                self.session.put("outbox", row.seq, (owner.domain, row))
            return rows

        filled: list[Outgoing] = self._own("outbox", work)
        return filled

    def commit(self) -> tuple[str, datetime]:
        self._own("COMMIT", lambda: self.session.end(commit=True))
        return "0/0", START

    def roll_back(self) -> None:
        if self.session.up and self.session.changes is not None:
            self.session.end(commit=False)

    def note_stopped(self, owner: Owner, cause: str | None) -> None:
        """It has no effect on what is decided."""

    def conflict(self, owner: Owner, error: DatabaseFault, attempt: int) -> None:
        """It has no effect on what is decided."""

    def delete_sent(self, owner: Owner, sent: int) -> None:
        def work() -> None:
            self.begin(owner)
            self._forget(owner, sent)
            self.session.end(commit=True)

        self._own("forget", work)

    def look_up(self, service: str, ids: Sequence[str]) -> Mapping[str, Receipt]:
        raise AssertionError("nobody asks anything here: look-ups are tested on real servers")

    def deferred(self, owner: Owner, after: int, limit: int) -> list[DeferredRow]:
        rows: list[DeferredRow] = self.session.alone(
            "read deferred", lambda: [row for row in self._waiting(owner) if row.seq > after][:limit]
        )
        return rows

    def postpone(self, rows: Mapping[int, Postponed]) -> None:
        def work() -> None:
            for seq, postponed in rows.items():
                self.session.lock("deferred", seq)
                domain, state, until, row = self.session.get("deferred", seq)
                if postponed.limit_seconds is not None:
                    until = min(self._now + postponed.limit_seconds, until or float("inf"))
                changed = replace(row, reason=postponed.reason, at_fault=postponed.at_fault, failed=postponed.failed)
                self.session.put("deferred", seq, (domain, state, until, changed))

        self.session.alone("postpone", work)

    def hold_task(self, task: str, reason: str) -> float:
        def work() -> float:
            self.session.lock("hold", task)
            _, holder, since, until = self.session.get("hold", task) or ("", _WRITER, 0.0, -1000.0)
            if holder != _WRITER and (until is None or until > self._now):
                return _FIRST_HOLD_SECONDS
            lately = holder == _WRITER and until > self._now - 2 * _LONGEST_HOLD_SECONDS
            seconds = min(2 * (until - since), _LONGEST_HOLD_SECONDS) if lately else _FIRST_HOLD_SECONDS
            self.session.put("hold", task, (reason, _WRITER, self._now, self._now + seconds))
            return float(seconds)

        return float(self.session.alone("hold", work))

    def release_task(self, task: str) -> None:
        def work() -> None:
            self.session.lock("hold", task)
            if (row := self.session.get("hold", task)) is not None and row[1] == _WRITER:
                self.session.put("hold", task, None)

        self.session.alone("release", work)

    def suspect(self, owner: Owner, service: str, ledger_id: str) -> int:
        def work() -> int:
            self.session.lock("suspect", (service, ledger_id))
            times, writer = self.session.get("suspect", (service, ledger_id)) or (0, None)
            times += writer != owner.writer
            self.session.put("suspect", (service, ledger_id), (times, owner.writer))
            return int(times)

        return int(self.session.alone("suspect", work))

    def clear_suspect(self, service: str, ledger_id: str) -> None:
        self.session.alone("clear suspect", lambda: self.session.put("suspect", (service, ledger_id), None))

    def _own(self, what: str, work: Callable[[], Any]) -> Any:
        try:
            return self.session.request(what, work)
        except DatabaseFault as error:
            if error.fault is not Fault.COMMAND:
                raise
            fault = Fault.CONFLICT if error.sqlstate == UNIQUE_VIOLATION else Fault.DEPLOYMENT
            raise error.with_(fault=fault) from error

    def _forget(self, owner: Owner, sent: int) -> None:
        for seq, (domain, _) in self.session.rows("outbox"):
            if domain == owner.domain and seq <= sent:
                self.session.put("outbox", seq, None)

    def _waiting(self, owner: Owner) -> list[DeferredRow]:
        return [
            replace(row, limited=until is not None, overdue=until is not None and until < self._now)
            for _, (domain, state, until, row) in self.session.rows("deferred")
            if domain == owner.domain and state == "deferred"
        ]

    def _parked_keys(self, owner: Owner) -> set[Key]:
        lanes = services.DOMAINS[owner.domain]
        return {
            (service, row.item.key)
            for (service, _, _), row in self.session.rows("parked")
            if row.parks_key and row.item.key is not None and row.state == "parked" and (service, row.lane) in lanes
        }


def _state_of(refused: Refused) -> str:
    return "dropped" if refused.dropped else "parked"


def _of(owner: Owner) -> tuple[str, int]:
    return owner.domain, owner.epoch


def _key_of(row: DeferredRow) -> Key | None:
    return None if row.item.key is None else (row.service, row.item.key)
