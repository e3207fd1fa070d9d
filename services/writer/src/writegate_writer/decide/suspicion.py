"""Which command an error of the database seems to be about: a hint where to look first, to be verified. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from writegate_writer.receive.delivery import Arrived, NotYet

# PostgreSQL's details of class 23: "Failing row contains (1, x, null)." and "Key (a, b)=(1, x) already exists."
_VALUES = re.compile(r"(?:contains |\)=)\((.*)\)", re.DOTALL)


def suspect_in(batch: Sequence[Arrived], text: str) -> int | None:
    """Return the position of the first command that has most of its fields among the values an error names.

    None when it names none, or those of nobody.
    """
    named = _VALUES.search(text)
    if named is None:
        return None
    values = set(named[1].split(", "))
    shared = [_shared(one, values) for one in batch]
    most = max(shared, default=0)
    return shared.index(most) if most else None


def _shared(one: Arrived, values: set[str]) -> int:
    return 0 if isinstance(one.command, NotYet) else sum(str(value) in values for value in vars(one.command).values())
