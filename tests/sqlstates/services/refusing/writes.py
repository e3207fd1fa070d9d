"""How they are applied, or not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection, insert, text, update
from sqlalchemy.exc import IntegrityError

from writegate_writer import Writes, rows

from .contract import Keep, Note, Put, Touch, refusing
from .tables import entry, kept, published

writes = Writes(refusing, tables=[entry, kept, published])


@writes.handler(Put, tables=[entry])
def put(connection: Connection, commands: Sequence[Put]) -> None:
    connection.execute(insert(entry), [{"task": "put", **command.model_dump()} for command in commands])
    for command in commands:
        if command.how == "handler":
            connection.execute(text("SELECT refusing.fail(:sqlstate)"), {"sqlstate": command.sqlstate})
        elif command.how == "bug":
            raise KeyError(command.account)
        elif command.how == "goes on":
            with suppress(IntegrityError):
                connection.execute(text("INSERT INTO refusing.kept VALUES ('taken', ''), ('taken', '')"))
            connection.execute(text("SELECT 1"))


@writes.handler(Note, tables=[entry])
def note(connection: Connection, commands: Sequence[Note]) -> None:
    connection.execute(insert(entry), [{"task": "note", **command.model_dump()} for command in commands])


writes.add(Keep, rows.upsert(kept))


@writes.handler(Touch, tables=[published])
def touch(connection: Connection, commands: Sequence[Touch]) -> None:
    for command in commands:
        connection.execute(update(published).where(published.c.account == command.account).values(text="touched"))
