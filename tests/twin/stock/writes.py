"""How they change the tables. The constraints that an upsert, update or increment may break are such that no later
command of the batch can mend it: rows are folded first, and what is overwritten is never seen by the database."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tests.twin.stock.contract import (
    Add,
    AddIfNew,
    AddOrNo,
    Ask,
    AskLate,
    Careful,
    Cheer,
    Count,
    Grow,
    GrowALittle,
    Jot,
    Move,
    OpenShelf,
    Place,
    Put,
    PutLarger,
    Remove,
    RemoveSmall,
    Resize,
    ResizeLarger,
    Stamp,
    Tell,
    stock,
)
from tests.twin.stock.tables import balance, item, metadata, movement, place, shelf, story, tally
from writegate_writer import Decline, Reject, Writes, emit
from writegate_writer.handlers import rows

_SMALL = 9

writes = Writes(stock, tables=metadata.sorted_tables, migrations=Path(__file__).parent / "migrations")
writes.add(Add, rows.insert(item))
writes.add(AddIfNew, rows.insert(item, on_conflict="ignore"))
writes.add(AddOrNo, rows.insert(item, decline_on="conflict"))
writes.add(Put, rows.upsert(item))


def larger(row: Any, given: Any) -> ColumnElement[bool]:
    """Return whether an item is not larger yet."""
    return or_(row.size.is_(None), row.size <= given.size)


writes.add(PutLarger, rows.upsert(item, where=larger))
writes.add(ResizeLarger, rows.update(item, where=larger, reason="it is larger"))
writes.add(
    GrowALittle, rows.increment(item, by={"size": "size"}, where=lambda row, given: row.size + given.size < _SMALL)
)
writes.add(RemoveSmall, rows.delete(item, where=lambda row, _: row.size < _SMALL))
writes.add(Resize, rows.update(item))
writes.add(Grow, rows.increment(item, by={"size": "size"}, insert_missing=False))
writes.add(Remove, rows.delete(item))
writes.add(Count, rows.increment(tally, by={"total": "total", "times": 1}))
writes.add(Cheer, rows.increment(tally, by={"times": 1}))
writes.add(OpenShelf, rows.insert(shelf))
writes.add(Place, rows.insert(place))


@writes.handler(Jot)
def jot(connection: Connection, commands: Sequence[Jot]) -> None:
    texts: dict[str, str] = {}
    for command in commands:
        texts[command.article] = texts.get(command.article, "") + command.text
    adding = upsert(story)
    adding = adding.on_conflict_do_update(
        index_elements=[story.c.article], set_={"text": story.c.text + adding.excluded.text}
    )
    connection.execute(adding, [{"article": article, "text": text} for article, text in texts.items()])


writes.add(Stamp, jot)


@writes.each(Tell)
def tell(connection: Connection, command: Tell) -> None:
    for number, text in enumerate(command.texts):
        # Known beforehand, so that both writers emit the same.
        made = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{command.command_id} {number}"))
        emit(Jot(article=f"heard of {command.article}", text=text).with_id(made), parent=command)


@writes.handler(Move)
def move(connection: Connection, commands: Sequence[Move]) -> dict[str, Any]:
    return _moved(connection, commands, Reject)


@writes.handler(Ask)
def ask(connection: Connection, commands: Sequence[Ask]) -> dict[str, Any]:
    return _moved(connection, commands, Decline)


@writes.each(AskLate)
def ask_late(connection: Connection, command: AskLate) -> dict[str, Any]:
    connection.execute(insert(movement), {"id": command.command_id, "article": command.article, "fee": command.fee})
    adding = upsert(balance).values(article=command.article, amount=command.change)
    adding = adding.on_conflict_do_update(
        index_elements=[balance.c.article], set_={"amount": balance.c.amount + adding.excluded.amount}
    )
    left = connection.scalar(adding.returning(balance.c.amount))
    if left is None or left < 0:
        raise Decline("there is less")
    return {"left": left}


def _moved(
    connection: Connection, commands: Sequence[Move], refuse: Callable[[dict[str, str]], Exception]
) -> dict[str, Any]:
    articles = {command.article for command in commands}
    read = select(balance.c.article, balance.c.amount).where(balance.c.article.in_(articles))
    amounts = dict.fromkeys(articles, 0) | {row.article: row.amount for row in connection.execute(read)}
    left: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for command in commands:
        if amounts[command.article] + command.change < 0:
            reasons[command.command_id] = f"there are {amounts[command.article]} only"
        else:
            left[command.command_id] = amounts[command.article] = amounts[command.article] + command.change
    if reasons:
        raise refuse(reasons)
    booked = [{"id": command.command_id, "article": command.article, "fee": command.fee} for command in commands]
    connection.execute(insert(movement), booked)
    setting = upsert(balance)
    setting = setting.on_conflict_do_update(
        index_elements=[balance.c.article], set_={"amount": setting.excluded.amount}
    )
    connection.execute(setting, [{"article": article, "amount": amount} for article, amount in amounts.items()])
    return {id_: {"left": amount} for id_, amount in left.items()}


writes.add(Careful, move)
