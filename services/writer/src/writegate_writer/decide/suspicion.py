"""Which command a database error seems to be about: a hint which command to try first, to be verified. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from writegate_writer.receive.delivery import Arrived, NotYet

# PostgreSQL's details of class 23: "Failing row contains (1, x, null)." and "Key (a, b)=(1, x) already exists."
_VALUES = re.compile(r"(?:contains |\)=)\((.*)\)", re.DOTALL)


def suspect_in(batch: Sequence[Arrived], text: str) -> int | None:
    """Return the position of the first command that has the most fields among the values that an error names.

    None when the error names no values, or no command has one of them.
    """
    named = _VALUES.search(text)
    if named is None:
        return None
    values = set(named[1].split(", "))
    shared = [_shared(command, values) for command in batch]
    most = max(shared, default=0)
    return shared.index(most) if most else None


def _shared(command: Arrived, values: set[str]) -> int:
    return (
        0
        if isinstance(command.command, NotYet)
        else sum(str(value) in values for value in vars(command.command).values())
    )
