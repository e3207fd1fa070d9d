"""The SQLSTATEs that are raised: of all classes a handler can meet, in all ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

How = Literal["trigger", "commit", "handler"]


@dataclass(frozen=True)
class Case:
    """One SQLSTATE and how it is raised. ``passes``: it usually does by itself, so the command is tried for a while."""

    sqlstate: str
    how: How
    passes: bool = False

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"{self.sqlstate} by {self.how}"


CASES: Final = (
    Case("01004", "trigger"),  # a warning, raised as an error
    Case("02000", "handler"),  # no data
    Case("08006", "trigger", passes=True),  # connection failure
    Case("09000", "trigger"),  # triggered action exception
    Case("0A000", "handler"),  # feature not supported
    Case("20000", "trigger"),  # case not found
    Case("21000", "handler"),  # cardinality violation
    Case("22003", "trigger"),  # numeric value out of range
    Case("23514", "commit"),  # check violation
    Case("25006", "trigger", passes=True),  # read-only transaction
    Case("25P02", "handler"),  # in failed transaction
    Case("27000", "trigger"),  # triggered data change violation
    Case("28000", "handler"),  # invalid authorization
    Case("2F004", "trigger"),  # reading SQL data not permitted
    Case("38000", "handler"),  # external routine exception
    Case("39P01", "trigger"),  # trigger protocol violated
    Case("3F000", "handler"),  # invalid schema name
    Case("40001", "trigger", passes=True),  # serialization failure
    Case("40P01", "commit", passes=True),  # deadlock detected
    Case("42501", "trigger"),  # insufficient privilege
    Case("42P01", "handler"),  # undefined table
    Case("44000", "trigger"),  # with check option violation
    Case("53100", "handler", passes=True),  # disk full
    Case("54000", "trigger"),  # program limit exceeded
    Case("55000", "trigger", passes=True),  # object not in prerequisite state
    Case("55P03", "handler", passes=True),  # lock not available
    Case("57014", "trigger", passes=True),  # query canceled
    Case("58030", "handler", passes=True),  # input/output error
    Case("F0000", "trigger"),  # configuration file error
    Case("HV000", "handler"),  # foreign data wrapper error
    Case("P0001", "trigger"),  # a plain RAISE EXCEPTION
    Case("P0004", "commit"),  # assert failure
    Case("WG001", "trigger"),  # what the writer's own fence raises
    Case("XX000", "handler"),  # internal error
    Case("ZZ001", "commit"),  # of its author
)
# A few of them for a quick run: of each kind of first guess, and of each way.
FEW: Final = tuple(case for case in CASES if case.sqlstate in {"P0001", "ZZ001", "40001", "42501", "55P03"})
