"""The writers' connection budget, and how much of it is used."""

from __future__ import annotations

from dataclasses import dataclass

from writegate_console.gate.database import Database

# The budget is of the server, not of one database: CONNECTION LIMIT counts all of a role's sessions.
_BUDGET = """
SELECT rolconnlimit AS budget,
       (SELECT count(*)::int FROM pg_stat_activity WHERE usename = rolname) AS used
FROM pg_roles WHERE rolname = 'writegate_writer'
"""


@dataclass(frozen=True, slots=True)
class ConnectionBudget:
    """``budget``: the writer role's CONNECTION LIMIT, -1 for none; ``used``: connections that all writers have."""

    budget: int
    used: int

    def __str__(self) -> str:
        limit = "no limit" if self.budget < 0 else self.budget
        return f"writers: {self.used} of {limit} connections"


def read_budget(database: Database) -> ConnectionBudget:
    """Return the budget now."""
    [row] = database.all(_BUDGET)
    return ConnectionBudget(**row)
