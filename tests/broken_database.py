"""A stand-in for a database that some commands fail in, to be asked whose fault that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.sample import Deposit, Withdraw, arrived
from writegate_writer.decide.attempts import Attempts, TypeHold
from writegate_writer.decide.classify import Classified, Work
from writegate_writer.decide.deferral import DeferredRow, Patience
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.trial import Undecided
from writegate_writer.errors import DatabaseFault, HandlerFault, Reject
from writegate_writer.receive.delivery import Arrived

Error = Callable[[], DatabaseFault | HandlerFault]

# What usually is a command's or a deployment's, and what usually is the database's: a handler may raise any of them.
LIKELY_OWN = ["P0001", "ZZ001", "54000", "21000", "44000", "42501", "42P01", "XX000", "0A000"]
LIKELY_OUTSIDE = ["40001", "40P01", "55P03", "55000", "25006", "53100", "57014", "58030", "08006"]


def raised(sqlstate: str) -> DatabaseFault:
    return DatabaseFault(sqlstate, f"raised {sqlstate}", task="accounts.deposit", from_handlers=True)


def bug() -> HandlerFault:
    return HandlerFault("accounts.deposit", "the handler failed: KeyError: 'x'")


@dataclass
class Database:
    """Fails while a command of ``bad`` is in a transaction, and defers the commands of held types."""

    bad: set[str]
    error: Error
    applied: list[str] = field(default_factory=list)
    parked: dict[str, str] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    tried: int = 0

    def __call__(self, work: Work) -> BatchResult:
        self.tried += 1
        waiting = [
            command for command in work.arrived if command.item.task in self.held or command.ledger_id in work.postponed
        ]
        parked = [command for command in work.arrived if command.ledger_id in work.rejected]
        fresh = [command for command in work.arrived if command not in waiting and command not in parked]
        if any(command.ledger_id in self.bad for command in fresh):
            raise self.error()
        if not work.is_trial:
            self.applied += ids(fresh)
            self.parked |= {command.ledger_id: work.rejected[command.ledger_id].cause for command in parked}
            self.postponed += [id_ for id_ in ids(waiting) if id_ in work.postponed]
            self.deferred += [id_ for id_ in ids(waiting) if id_ not in work.postponed]
        plan = Classified(fresh=fresh)
        plan.still_deferred = [*waiting, *parked]
        return BatchResult(plan)


def ids(batch: Sequence[Arrived]) -> list[str]:
    return [command.ledger_id for command in batch]


def deposits(count: int) -> list[Arrived]:
    return [arrived(Deposit(account=f"a-{n}", amount=1)) for n in range(count)]


def withdrawals(count: int) -> list[Arrived]:
    return [arrived(Withdraw(account=f"w-{n}", amount=1)) for n in range(count)]


def finish(
    database: Database,
    batch: Sequence[Arrived],
    waited: Sequence[DeferredRow] = (),
    undecided: Undecided | None = None,
) -> list[TypeHold]:
    """Try all of it; return what was held."""
    rows = dict(zip(ids(batch), waited, strict=True)) if waited else {}
    attempts = Attempts(Work(batch, replayed=rows), Patience(rows), undecided)
    holds = []
    while (attempt := attempts.next()) is not None:
        try:
            result = database(attempt)
        except (Reject, DatabaseFault, HandlerFault) as error:
            hold = attempts.failed(error)
        else:
            hold = attempts.committed(result)
        if hold is not None:
            holds.append(hold)
            database.held.add(hold.task)
    return holds
