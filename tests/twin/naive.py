"""The writer as anybody would write it first: one command a transaction, in the order of arrival.

It has no domains, batches, runs or bisection, and its ledger is a dictionary. Slow, and right by looking at it: the
batching writer must leave the same tables and give the same answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sqlalchemy import Connection

from writegate.contract.command import Command, contract_of, key_of
from writegate.message.receipt import Cause, Outcome, Receipt
from writegate_writer.database.session import translated
from writegate_writer.errors import FOREIGN_KEY_VIOLATION, DatabaseFault, Decline, Fault, Reject
from writegate_writer.handlers.declining import Untouched
from writegate_writer.handlers.emit import collecting
from writegate_writer.handlers.writes import Writes


class NaiveWriter:
    """Applies commands of one service. ``receipts`` are its answers, in the order in which it gave them."""

    def __init__(self, connection: Connection, writes: Writes) -> None:
        self.receipts: list[Receipt] = []
        self._connection = connection
        self._handlers = writes.handlers
        self._contents: dict[str, Command] = {}  # of every id, as it came first
        self._outcomes: dict[str, Outcome] = {}
        self._waiting: list[Command] = []
        self._parked_keys: set[str | None] = set()
        self._patient = True
        self._stream: deque[Command] = deque()

    def apply(self, commands: Sequence[Command]) -> None:
        """Take in commands, and what they emit behind them."""
        self._stream.extend(commands)
        while self._stream:
            self._arrived(self._stream.popleft())

    def settle(self) -> None:
        """Decide what waits: rows that are missing now stay missing, and parked commands are given up."""
        self._try_again()
        self._patient = False
        while self._waiting:
            self._parked_keys.clear()
            self._try_again()

    def _arrived(self, command: Command) -> None:
        id_ = command.command_id
        if self._contents.setdefault(id_, command) != command:
            cause = Cause("id-reused", "this id was used before for a command with other content")
            self.receipts.append(Receipt(id_, "parked", cause=cause))
        elif id_ in self._outcomes:
            outcome = self._outcomes[id_]
            self.receipts.append(Receipt(id_, "duplicate" if outcome == "applied" else outcome))
        elif any(waiting.command_id == id_ for waiting in self._waiting):
            self.receipts.append(Receipt(id_, "deferred"))
        else:
            self._decide(command)

    def _decide(self, command: Command) -> None:
        key = key_of(command)
        if key is not None and (key in self._parked_keys or key in map(key_of, self._waiting)):
            self._wait(command)
            return
        try:
            with collecting() as emitted, translated(), self._connection.begin():
                results = self._handlers[contract_of(command).task](self._connection, [command]) or {}
        except Decline as error:
            [reason] = error.of([command.command_id]).values()
            self._decline(command, reason)
        except Reject as error:
            self._park(command, Cause("rejected", error.reasons[command.command_id]))
        except DatabaseFault as error:
            if error.fault is not Fault.COMMAND:
                raise
            if error.sqlstate == FOREIGN_KEY_VIOLATION and self._patient:
                self._wait(command)
            else:
                self._park(command, Cause(f"sqlstate-{error.sqlstate}", str(error), error.sqlstate))
        else:
            result = results.get(command.command_id)
            if isinstance(result, Untouched):
                self._decline(command, result.reason)
                return
            self._answer(Receipt(command.command_id, "applied", result=result))
            self._stream.extend(each.command for each in emitted)

    def _decline(self, command: Command, reason: str) -> None:
        self._answer(Receipt(command.command_id, "declined", cause=Cause("declined", reason)))

    def _park(self, command: Command, cause: Cause) -> None:
        self._answer(Receipt(command.command_id, "parked", cause=cause))
        if contract_of(command).on_reject == "park_key":
            self._parked_keys.add(key_of(command))

    def _answer(self, receipt: Receipt) -> None:
        self._outcomes[receipt.id] = receipt.outcome
        self.receipts.append(receipt)

    def _wait(self, command: Command) -> None:
        self._waiting.append(command)
        self.receipts.append(Receipt(command.command_id, "deferred"))

    def _try_again(self) -> None:
        waiting, self._waiting = self._waiting, []
        for command in waiting:
            self._decide(command)
        self.apply(())
