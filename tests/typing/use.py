"""Right and wrong uses. Every line that must be an error says so, by the rule that finds it; no other line may be one.

Never run: what counts is what the type checker says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, Text

from writegate import Command, Service, upgrades
from writegate.message.receipt import Receipt
from writegate.publishing import Accepted, PendingReceipt, Publisher
from writegate_writer import Writes, emit
from writegate_writer.handlers import rows


class Open(Command, key="account"):
    account: str
    limit: int | None = None


class Close(Command, key=("account", "at"), version=2):
    account: str
    at: int

    @upgrades(from_=1)
    @staticmethod
    def at_0(fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "at": 0}

    @upgrades(from_=1)  # expect: type-var
    @staticmethod
    def of_other_values(fields: Sequence[str]) -> list[str]:
        return list(fields)


accounts = Service("accounts", commands=[Open, Close], lanes=2)
Service("others", commands=[Open(account="a")])  # expect: list-item
Service("others")  # expect: call-arg

Open(account="a", limit=3)
Open(account="a", limits=3)  # expect: call-arg
Open(limit=3)  # expect: call-arg
Open("a")  # expect: call-arg
Open(account=7)  # expect: arg-type
print(Open(account="a").acount)  # expect: attr-defined
opened: Open = Open(account="a").with_id("order-1").model_copy(update={"limit": 3})


def blocking(publisher: Publisher) -> None:
    accepted: Accepted = publisher.publish(opened)
    receipt: Receipt = publisher.publish(opened, receipt=True).wait(timeout=5)
    many: list[Accepted] = publisher.publish_many([opened, Close(account="a", at=1)])
    pending: list[PendingReceipt] = publisher.publish_many([opened], receipt=True, timeout=1)
    known: Receipt | None = pending[0].lookup()
    publisher.publish(Open)  # expect: call-overload
    publisher.publish({"account": "a"})  # expect: call-overload
    publisher.publish_many(opened)  # expect: arg-type
    publisher.publish(opened).wait(5)  # expect: attr-defined
    publisher.publish(opened, reciept=True)  # expect: call-overload
    print(accepted.accepted_by == "sent", many, known)  # expect: comparison-overlap
    print(receipt.outcome == "done")  # expect: comparison-overlap


async def not_blocking(publisher: Publisher, connection: object) -> None:
    accepted: Accepted = await publisher.apublish(opened)
    pending: PendingReceipt = await publisher.apublish(opened, receipt=True)
    receipt: Receipt = await pending
    seen: bool = await receipt.avisible_on(connection) or receipt.visible_on(connection)
    known: Receipt | None = await pending.alookup(timeout=2)
    publisher.apublish(opened)  # expect: unused-coroutine
    unawaited: Accepted = publisher.apublish(opened)  # expect: assignment
    await publisher.publish(opened)  # expect: misc
    pending.alookup()  # expect: unused-coroutine
    unseen: bool = receipt.avisible_on(connection)  # expect: assignment
    print(accepted, seen, known, unawaited, unseen)


table = Table("account", MetaData(), Column("account", Text, primary_key=True))
writes = Writes(accounts, tables=[table])
writes.add(Close, rows.delete(table))


@writes.handler(Open)
def right(connection: Connection, commands: Sequence[Open]) -> dict[str, int]:
    emit(Close(account="a", at=1), parent=commands[0])
    return {command.command_id: command.limit or 0 for command in commands}


@writes.handler(Open)  # expect: arg-type
def of_another_command(connection: Connection, commands: Sequence[Close]) -> None:
    emit(Close)  # expect: arg-type


@writes.each(Open)  # expect: arg-type
def of_many(connection: Connection, commands: Sequence[Open]) -> None:
    pass


@writes.each(Open)
async def of_one(connection: Connection, command: Open) -> None:
    pass
