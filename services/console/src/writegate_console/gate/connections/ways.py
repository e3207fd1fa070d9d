"""Ways around the gate: who could write without a grant, who writes now, and what was written so. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PrivilegedRole:
    """A role that may log in and write to tables of the gate although nobody granted it that.

    ``how``: it is a superuser, owns the tables, or is a member of a role that may; ``through`` names that role.
    ``tables``: which it may write to. ``applications``: of its sessions now. ``gate_owner``: it owns the gate's own
    schema, so `writegate apply` works as this role, and nothing else should.
    """

    role: str
    how: str
    through: str | None
    tables: tuple[str, ...]
    sessions: int
    applications: tuple[str, ...]
    gate_owner: bool

    @property
    def advice(self) -> str:
        """What ends it."""
        if self.gate_owner:
            return "let nothing but `writegate apply` log in as it"
        if self.how == "superuser":
            return "let no program log in as it"
        if self.through is not None:
            return f"REVOKE {quoted(self.through)} FROM {quoted(self.role)};"
        return "ALTER TABLE … OWNER TO the role that runs `writegate apply`, for each of them"

    def __str__(self) -> str:
        how = {
            "superuser": "is a superuser",
            "owner": "owns",
            "member": f"is a member of {self.through}, with rights on",
        }
        tables = "" if self.how == "superuser" else f" {', '.join(self.tables)}"
        return f"{self.role} {how[self.how]}{tables}; sessions now: {_sessions(self.sessions, self.applications)}"


@dataclass(frozen=True, slots=True)
class DirectSession:
    """A session that is writing to a table of the gate now, and is no writer's."""

    pid: int
    role: str
    application: str
    table: str

    def __str__(self) -> str:
        return (
            f"{self.role} writes to {self.table} now, as {self.application or 'an unnamed application'}, pid {self.pid}"
        )


@dataclass(frozen=True, slots=True)
class TableWrites:
    """Rows written to a table by anybody, as the server counts them, and whether the gate had any part in it.

    ``commands``: of the table's domain, in the newest batches of the gate; ``since``: when the server began to count.
    """

    table: str
    inserted: int
    updated: int
    deleted: int
    commands: int
    since: datetime | None

    @property
    def rows(self) -> int:
        """All rows written."""
        return self.inserted + self.updated + self.deleted

    @property
    def without_the_gate(self) -> bool:
        """Whether rows were written although no command was applied that may touch the table."""
        return self.rows > 0 and not self.commands


def quoted(name: str) -> str:
    """Return a name as SQL takes it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def _sessions(count: int, applications: tuple[str, ...]) -> str:
    names = ", ".join(name or "unnamed" for name in applications)
    return f"{count} ({names})" if count else "none"
