"""The spool: commands on the local disk, in order, for the time in which the broker does not take them.

Each process has one SQLite file under a file lock. The file of a process that has ended is taken over by another
process of the same user and broker. Once :meth:`Spool.append` has returned, its commands survive a crash; SQLite's
journal drops a transaction that was only half written.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sqlite3
import time
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic_core import from_json, to_json

from writegate.config import Settings
from writegate.contract.ids import new_id
from writegate.errors import SpoolBroken, SpoolFull
from writegate.message.envelope import Item
from writegate.message.topology import Route, rerouted
from writegate.publishing.file_lock import FileLock

log = logging.getLogger(__name__)

_SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists command (
    seq integer primary key,
    exchange text not null,
    routing_key text not null,
    id text not null,
    task text not null,
    version integer not null,
    key text,
    fields blob not null,
    headers text,
    receipt integer not null,
    bytes integer not null,
    at real not null
);
create index if not exists lane on command (exchange, routing_key, seq);
"""
_COLUMNS: Final = "exchange, routing_key, id, task, version, key, fields, headers, receipt, bytes, at"
_ROW_BYTES = 256  # counted for each row in addition to its fields: an upper bound


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in the spool. ``headers`` are added to those of the envelope."""

    route: Route
    item: Item
    headers: dict[str, Any] | None = None
    receipt: bool = False

    @property
    def bytes(self) -> int:
        """Its size as counted against the limit."""
        return len(self.item.fields) + _ROW_BYTES


class Spool:
    """The spool of this process. Used by one thread at a time: first by its maker, then by the I/O thread."""

    def __init__(self, directory: Path, limit_bytes: int, limit_seconds: float) -> None:
        """Open it in ``directory``, and take over what earlier processes left there.

        Raises :class:`SpoolBroken` when the directory cannot be used.
        """
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._bytes = 0
        self._oldest: float | None = None  # Unix time at which its oldest command was added
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._own_file()
            self._open()
        except (OSError, sqlite3.Error) as error:
            raise SpoolBroken("", f"the spool {directory} cannot be used: {error}") from error
        self.adopt()
        _OPEN.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bytes(self) -> int:
        """The size of its commands as counted against the limit."""
        return self._bytes

    def lanes(self) -> list[Route]:
        """Return the routes of the commands in it."""
        rows = self._database.execute("select distinct exchange, routing_key from command")
        return [Route(exchange, routing_key) for exchange, routing_key in rows]

    def append(self, groups: Sequence[Sequence[Entry]]) -> int:
        """Write groups of entries in order; return how many groups, from the first on, are on disk now.

        Fewer than given means that it is full; :meth:`why_full` says which limit. Raises :class:`SpoolFull` or
        :class:`SpoolBroken` when the disk refuses; then none of them is stored.
        """
        count = self._fitting(groups)
        fitting = [entry for group in groups[:count] for entry in group]
        if not fitting:
            return count
        now = time.time()
        try:
            with self._database:
                self._database.executemany(
                    f"insert into command ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                    [_row(entry, now) for entry in fitting],
                )
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
            kind = SpoolFull if full else SpoolBroken
            raise kind(fitting[0].item.id, f"the spool {self._directory} did not take it: {error}") from error
        self._bytes += sum(entry.bytes for entry in fitting)
        self._oldest = self._oldest or now
        return count

    def why_full(self) -> str:
        """Return a sentence that names the limit it has reached."""
        if self._too_old():
            why = f"its oldest command has waited longer than {self._limit_seconds:.0f} s for the broker"
        else:
            why = f"it holds {self._bytes} of at most {self._limit_bytes} bytes"
        return f"the spool {self._directory} is full: {why}"

    def read(self, route: Route, limit: int) -> list[tuple[int, Entry]]:
        """Return a lane's first entries, at most ``limit``, each with its number in the spool."""
        rows = self._database.execute(
            "select seq, id, task, version, key, fields, headers, receipt from command"
            " where exchange = ? and routing_key = ? order by seq limit ?",
            (route.exchange, route.routing_key, limit),
        )
        return [
            (seq, Entry(route, Item(id_, task, version, key, fields), from_json(headers or b"null"), bool(receipt)))
            for seq, id_, task, version, key, fields, headers, receipt in rows
        ]

    def remove(self, route: Route, up_to: int) -> bool:
        """Delete a lane's entries up to a number; return whether the lane has more."""
        lane = (route.exchange, route.routing_key)
        mine = "from command where exchange = ? and routing_key = ?"
        with self._database:
            (deleted,) = self._database.execute(f"select sum(bytes) {mine} and seq <= ?", (*lane, up_to)).fetchone()
            self._database.execute(f"delete {mine} and seq <= ?", (*lane, up_to))
        self._bytes -= deleted or 0
        self._oldest = self._first_at()
        return self._database.execute(f"select 1 {mine} limit 1", lane).fetchone() is not None

    def adopt(self) -> bool:
        """Take over the files of processes that have ended; return whether there were commands in them."""
        found = False
        for path in sorted(self._directory.glob("*.sqlite")):
            try:
                found |= self._adopt(path)
            except (OSError, sqlite3.Error):
                # The file stays: it may hold the only copy of accepted commands. A person has to look at it.
                log.exception(
                    "the spool file %s cannot be taken over",
                    path,
                    extra={"event": "spool.not_adopted", "path": str(path)},
                )
        if found:
            self._count()
        return found

    def _adopt(self, path: Path) -> bool:
        lock = FileLock.take(path.with_suffix(".lock"))
        if lock is None:
            return False  # another process uses it, or it is our own
        done = found = False
        try:
            found = path.exists() and self._take_over(path)
            done = True
        finally:
            lock.release(delete=done)
        return found

    def close(self) -> None:
        """Close it. The commands in it stay for the next process."""
        empty = self._oldest is None
        self._database.close()
        if empty:
            _delete(self._path)
        self._lock.release(delete=empty)

    def _own_file(self) -> FileLock:
        lock = None
        while lock is None:
            self._path = self._directory / f"{new_id()}.sqlite"
            lock = FileLock.take(self._path.with_suffix(".lock"))
        return lock

    def _open(self) -> None:
        # Opened in one thread and then used in another, never in both at once.
        self._database = sqlite3.connect(self._path, check_same_thread=False)
        self._database.create_function("routing_key_of", 3, _routing_key_of)
        self._database.executescript(_SCHEMA)
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the directory entry of the new file must survive a crash too
        finally:
            os.close(descriptor)
        self._count()

    def _count(self) -> None:
        (self._bytes,) = self._database.execute("select coalesce(sum(bytes), 0) from command").fetchone()
        self._oldest = self._first_at()

    def _first_at(self) -> float | None:
        first = self._database.execute("select at from command order by seq limit 1").fetchone()
        return first[0] if first else None

    def _take_over(self, path: Path) -> bool:
        self._database.execute("attach ? as orphan", (str(path),))
        copied = 0
        try:
            # Without the table, its process ended before it had written anything.
            if self._database.execute("select 1 from orphan.sqlite_master where name = 'command'").fetchone():
                with self._database:
                    # With today's number of lanes: in their old lanes, newer commands of a key could overtake them.
                    columns = _COLUMNS.replace("routing_key", "routing_key_of(exchange, routing_key, key)")
                    copied = self._database.execute(
                        f"insert into command ({_COLUMNS}) select {columns} from orphan.command order by seq"  # noqa: S608
                    ).rowcount
        finally:
            self._database.execute("detach orphan")
        _delete(path)
        return copied > 0

    def _fitting(self, groups: Iterable[Iterable[Entry]]) -> int:
        free_bytes = -1 if self._too_old() else self._limit_bytes - self._bytes
        count = 0
        for group in groups:
            free_bytes -= sum(entry.bytes for entry in group)
            if free_bytes < 0:
                break
            count += 1
        return count

    def _too_old(self) -> bool:
        return self._oldest is not None and time.time() - self._oldest > self._limit_seconds


def open_spool(settings: Settings) -> Spool | None:
    """Open the spool of this process, or return None when it is switched off. Raises :class:`SpoolBroken`."""
    if settings.spool_directory == "off":
        return None
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    base = Path(settings.spool_directory or f"{state}/writegate/spool").expanduser()
    broker = urlsplit(settings.broker_url)
    # One directory for each user and broker: commands must not be sent to another broker, or as another user.
    owner = f"{unquote(broker.username or 'guest')}@{broker.hostname}:{broker.port or 5672}{broker.path}"
    return Spool(base / quote(owner, safe="@:"), settings.spool_bytes, settings.spool_hours * 3600)


def _routing_key_of(exchange: str, routing_key: str, key: str | None) -> str:
    return rerouted(Route(exchange, routing_key), key).routing_key


def _row(entry: Entry, now: float) -> tuple[Any, ...]:
    item, route = entry.item, entry.route
    headers = None if entry.headers is None else to_json(entry.headers)
    named = (route.exchange, route.routing_key, item.id, item.task, item.version, item.key)
    return (*named, item.fields, headers, entry.receipt, entry.bytes, now)


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


_OPEN: weakref.WeakSet[Spool] = weakref.WeakSet()


def _keep_open_in_child() -> None:
    """Never close an inherited database in a forked child: SQLite would remove files that the parent still uses."""
    for spool in list(_OPEN):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(spool._database))  # noqa: SLF001


os.register_at_fork(after_in_child=_keep_open_in_child)
