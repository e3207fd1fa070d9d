"""Targets of operators' actions: a service, a lane, a command type, a key or a table. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from writegate.errors import WritegateError

BUILT_IN = "writegate"  # the service of operators' actions: it cannot be held

_FORMS = "flights | flights.0 | flights.record_departure | flights key=UA123 | table:airport_day"
_PLAIN = re.compile(r"(?P<service>[a-z][a-z0-9_]*)(\.((?P<lane>\d+)|(?P<command>[a-z][a-z0-9_]*)))?")
_KEY = re.compile(r"(?P<service>[a-z][a-z0-9_]*) key=(?P<key>.+)", re.DOTALL)
_TABLE = "table:"
_DEFAULT_SCHEMA = "public"
_NEAREST = 3


class TargetError(WritegateError):
    """A target cannot be read, or names something that does not exist."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an action. Of ``lane``, ``task``, ``key`` and ``table`` at most one is set; none means the service.

    ``table`` is ``schema.table``.
    """

    service: str | None = None
    lane: int | None = None
    task: str | None = None
    key: str | None = None
    table: str | None = None

    @property
    def stops_consuming(self) -> bool:
        """Whether a hold leaves messages in their queue; otherwise commands are consumed and deferred one by one."""
        return self.task is None and self.key is None and self.table is None

    def __str__(self) -> str:
        """Return the canonical form, in which it is stored whatever was typed."""
        if self.table is not None:
            return f"{_TABLE}{self.table}"
        if self.key is not None:
            return f"{self.service} key={self.key}"
        if self.lane is not None:
            return f"{self.service}.{self.lane}"
        return self.task or self.service or ""


def parse(text: str) -> Target:
    """Read a target. Raises :class:`TargetError`, which lists the possible forms."""
    if text.startswith(_TABLE) and len(text) > len(_TABLE):
        table = text.removeprefix(_TABLE)
        return Target(table=table if "." in table else f"{_DEFAULT_SCHEMA}.{table}")
    if match := _KEY.fullmatch(text):
        return Target(match["service"], key=match["key"])
    if match := _PLAIN.fullmatch(text):
        service, lane, command = match["service"], match["lane"], match["command"]
        return Target(service, int(lane) if lane else None, f"{service}.{command}" if command else None)
    raise TargetError(f"{text!r} is no target: expected one of {_FORMS}")


@dataclass(frozen=True, slots=True)
class Known:
    """The targets that exist. ``lanes``: their number by service; ``tables``: ``schema.table``."""

    lanes: Mapping[str, int]
    tasks: Collection[str]
    tables: Collection[str]

    def find(self, text: str) -> Target:
        """Return the target that ``text`` names. Raises :class:`TargetError`, which suggests similar ones.

        The schema of a table may be left out while only one table has that name.
        """
        target = parse(text)
        if target.service == BUILT_IN:
            raise TargetError(f"{text!r}: {BUILT_IN} is how the gate is steered, nothing stops it")
        if target.table is not None:
            return self._table(text, target.table)
        there = self.lanes.get(target.service or "")
        if there is None:
            raise self._unknown(text, "service", self.lanes)
        if target.lane is not None and target.lane >= there:
            lanes = [f"{target.service}.{lane}" for lane in range(there)]
            raise self._unknown(text, "lane", lanes)
        if target.task is not None and target.task not in self.tasks:
            raise self._unknown(text, "command", self.tasks)
        return target

    def _table(self, text: str, table: str) -> Target:
        if table in self.tables:
            return Target(table=table)
        name = text.removeprefix(_TABLE)
        of_that_name = [] if "." in name else [known for known in self.tables if known.partition(".")[2] == name]
        if len(of_that_name) == 1:
            return Target(table=of_that_name[0])
        if of_that_name:
            raise TargetError(f"{text!r} may be any of {', '.join(f'{_TABLE}{full}' for full in sorted(of_that_name))}")
        raise self._unknown(text, "table", [f"{_TABLE}{known}" for known in self.tables])

    @staticmethod
    def _unknown(text: str, what: str, there: Collection[str]) -> TargetError:
        near = list(_nearest(text, there)) or sorted(there)[:_NEAREST]
        return TargetError(f"{text!r}: there is no such {what}; " + _suggestion(near))


def _nearest(text: str, there: Collection[str]) -> Iterator[str]:
    # The last part is compared as well: people leave out schema and service.
    by_name = {known.rpartition(".")[2]: known for known in there}
    names = get_close_matches(text.removeprefix(_TABLE).rpartition(".")[2], by_name, _NEAREST)
    yield from dict.fromkeys([*get_close_matches(text, there, _NEAREST), *(by_name[name] for name in names)])


def _suggestion(near: Collection[str]) -> str:
    return f"did you mean {' or '.join(near)}?" if near else "there is none yet"
