"""Dry run of a replay: kept commands are applied in a transaction, which is then rolled back to a savepoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sqlalchemy import Connection

from writegate.contract.command import Command, contract_of
from writegate.contract.operations import DEFERRED, DryRun, DryRunDeferred, OnFirst
from writegate_writer.database.session import translated
from writegate_writer.database.type_holds import WRITER
from writegate_writer.decide.holds import Holds, holds_of
from writegate_writer.errors import FOREIGN_KEY_VIOLATION, DatabaseFault, Decline, Fault, Reject
from writegate_writer.handlers.declining import Untouched
from writegate_writer.handlers.domains import table_name, tables_by_task
from writegate_writer.handlers.emit import collecting
from writegate_writer.handlers.roles import role_of
from writegate_writer.handlers.writes import Writes
from writegate_writer.operations import audit
from writegate_writer.operations.audit import Result
from writegate_writer.operations.decide_deferred import in_turn
from writegate_writer.operations.kept_commands import Placed, place
from writegate_writer.operations.kept_rows import installed, lock, page
from writegate_writer.operations.tables import TABLES
from writegate_writer.receive.delivery import NotYet

_MESSAGE_CHARACTERS = 500
_NO_TRANSACTION = ("25P", "3B")  # invalid transaction state, invalid savepoint
# Holds of operators only. A hold that writers placed after many rejections does not count: whether the commands would
# be applied now is what the dry run is for.
_HOLDS = """
SELECT target, reason FROM writegate.hold WHERE (until IS NULL OR until > clock_timestamp()) AND holder <> %s
"""
# These counters include earlier transactions and rows that were rolled back. So only differences are used.
_CHANGES = """
SELECT schemaname || '.' || relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
"""
# Deferred constraints are checked at COMMIT. A dry run never commits, so it has them checked after each command.
_DEFERRED = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(conname)
FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace
WHERE condeferred AND conrelid = ANY(%s::regclass[])
"""

Changes = Mapping[str, tuple[int, ...]]


@dataclass(slots=True)
class Outcome:
    """What would happen to a command.

    It would be applied, declined or parked, it waits, its type would be held (held), it fails or is skipped.
    """

    number: int
    id: str
    task: str | None
    outcome: str
    message: str = ""
    sqlstate: str | None = None
    emitted: int = 0


@dataclass(slots=True)
class _DryRunState:
    connection: Connection
    holds: Holds
    outcomes: list[Outcome] = field(default_factory=list)
    changed: dict[str, list[int]] = field(default_factory=dict)  # by table: rows inserted, updated, deleted
    blocked_keys: set[tuple[str, str | None]] = field(default_factory=set)
    behind: set[int] = field(default_factory=set)  # numbers of those that wait behind others, which are not tried

    def run(self, parked: Placed, writes: Writes) -> Outcome:
        """Try a command after the earlier ones. If it would be applied, its changes stay until the dry run ends."""
        outcome = Outcome(parked.row.number, parked.row.id, parked.item.task, "applied")
        reason = self._why_wait(parked, writes)
        if reason is not None:
            outcome.outcome, outcome.message = "waits", reason
        elif not isinstance(parked.command, NotYet):
            self._apply(parked.command, writes, outcome)
        if parked.item.key is not None and self._blocks(parked, outcome):
            self.blocked_keys.add((parked.row.service, parked.item.key))
        return outcome

    @staticmethod
    def _blocks(parked: Placed, outcome: Outcome) -> bool:
        """Whether later commands of its key would wait behind it."""
        if outcome.outcome == "parked" and not isinstance(parked.command, NotYet):
            return contract_of(parked.command).on_reject == "park_key"
        return outcome.outcome not in {"applied", "declined"}

    def _why_wait(self, parked: Placed, writes: Writes) -> str | None:
        if parked.row.number in self.behind or (parked.row.service, parked.item.key) in self.blocked_keys:
            return "behind an earlier command of its key"
        if isinstance(parked.command, NotYet):
            return parked.command.reason
        return self.holds.on_command(parked.item.task, parked.item.key, tables_by_task(writes)[parked.item.task])

    def _apply(self, command: Command, writes: Writes, outcome: Outcome) -> None:
        task = contract_of(command).task
        before = _changes(self.connection)
        self.connection.exec_driver_sql("SAVEPOINT command")
        try:
            with translated(), collecting() as emitted:
                self.connection.exec_driver_sql(f'SET LOCAL ROLE "{role_of(writes.service.name)}"')
                answers = writes.handlers[task](self.connection, [command]) or {}
                self._check_constraints(writes)
                after = _changes(self.connection)
        except Reject as error:
            outcome.outcome, outcome.message = "parked", error.reasons.get(command.command_id, str(error))
        except Decline as error:
            outcome.outcome, outcome.message = "declined", error.of([command.command_id])[command.command_id]
        except DatabaseFault as error:
            if error.sqlstate is None:
                raise
            outcome.outcome, outcome.message, outcome.sqlstate = _outcome_of(error), str(error), error.sqlstate
        except Exception as error:  # noqa: BLE001  a defect of the handler is a result too
            outcome.outcome, outcome.message = "held", f"the handler failed: {type(error).__name__}: {error}"
        else:
            if isinstance(answer := answers.get(command.command_id), Untouched):
                outcome.outcome, outcome.message = "declined", answer.reason
            outcome.emitted = len(emitted)
            self.connection.exec_driver_sql("RELEASE SAVEPOINT command")
            self._count(before, after)
            return
        self.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT command")

    def _check_constraints(self, writes: Writes) -> None:
        names = ([table_name(table) for table in writes.tables],)
        if constraints := [name for (name,) in self.connection.exec_driver_sql(_DEFERRED, names)]:
            self.connection.exec_driver_sql(f"SET CONSTRAINTS {', '.join(constraints)} IMMEDIATE")

    def _count(self, before: Changes, after: Changes) -> None:
        for table, counts in after.items():
            more = [now - then for now, then in zip(counts, before.get(table, (0, 0, 0)), strict=True)]
            if any(more):
                total = self.changed.get(table, [0, 0, 0])
                self.changed[table] = [count + added for count, added in zip(total, more, strict=True)]


def register(writes: Writes) -> None:
    """Register the handler."""
    writes.each(DryRun, tables=TABLES)(dry_run)
    writes.each(DryRunDeferred, tables=TABLES)(dry_run)


def dry_run(connection: Connection, operation: OnFirst) -> Result:
    """Apply commands, roll that back, and write the outcomes into the audit."""
    rows = page(connection, operation.kept, operation.selection, operation.limit)
    placed = {row.number: place(row, installed()) for row in rows}
    # Locked as for a batch, so that the commands see what a batch would see.
    lock(connection, [(kept.row.service, kept.lane) for kept in placed.values() if isinstance(kept, Placed)])
    holds = holds_of((target, reason) for target, reason in connection.exec_driver_sql(_HOLDS, (WRITER,)))
    state = _DryRunState(connection, holds)
    if operation.kept is DEFERRED:
        rows, state.behind = in_turn(connection, rows)
    connection.exec_driver_sql("SAVEPOINT dry_run")
    try:
        with translated():
            for row in rows:
                found = placed[row.number]
                if isinstance(found, Placed):
                    state.outcomes.append(state.run(found, installed()[row.service]))
                else:
                    state.outcomes.append(Outcome(row.number, row.id, row.task, "skipped", found))
            # This also resets the role, which was set after the savepoint.
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT dry_run")
    except DatabaseFault as error:
        if error.sqlstate is not None and error.sqlstate.startswith(_NO_TRANSACTION):
            # No transaction is left in which the audit could be written.
            raise Reject({operation.command_id: "a handler ended the writer's transaction"}) from error
        raise
    return _report(connection, operation, state)


def _report(connection: Connection, operation: OnFirst, state: _DryRunState) -> Result:
    outcomes = Counter(outcome.outcome for outcome in state.outcomes)
    tables = {
        table: dict(zip(("inserted", "updated", "deleted"), counts, strict=True))
        for table, counts in sorted(state.changed.items())
    }
    commands = [{**asdict(outcome), "message": outcome.message[:_MESSAGE_CHARACTERS]} for outcome in state.outcomes]
    detail = {"outcomes": outcomes, "tables": tables, "commands": commands}
    audit.write(connection, operation, "rehearse", f"{operation.kept.name} {operation.selection}", detail)
    return {"rehearsed": len(state.outcomes), "outcomes": outcomes}


def _outcome_of(error: DatabaseFault) -> str:
    if error.fault in {Fault.COMMAND, Fault.UNKNOWN}:
        # A missing parent is waited for, as when the command arrives.
        return "waits" if error.sqlstate == FOREIGN_KEY_VIOLATION else "parked"
    return "held" if error.fault is Fault.DEPLOYMENT else "fails"


def _changes(connection: Connection) -> Changes:
    return {table: tuple(counts) for table, *counts in connection.exec_driver_sql(_CHANGES)}
