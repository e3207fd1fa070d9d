"""From what was typed to what is asked of a writer. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from writegate.contract.operations import Selection
from writegate.errors import first_wrong_field
from writegate_console.gate.duration import after
from writegate_console.web.views.forms import Filters


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after an edit, as JSON; None where it is not there."""

    field: str
    before: str | None
    after: str | None


def held_until(text: str, now: datetime) -> datetime | None:
    """Return when a hold of so long ends, None for one without an end. Raises :class:`ValueError`."""
    return after(now, text) if text else None


def selected_for(filters: Filters) -> Selection:
    """Return which parked commands an action is for. Raises :class:`ValueError` when the filters cannot be read."""
    if filters.problem is not None:
        raise ValueError(filters.problem)
    if filters.state != "parked":
        raise ValueError(f"only parked commands can be replayed or dropped, not {filters.state} ones")
    return filters.selection


def edited(before: Mapping[str, Any], text: str) -> list[Change]:
    """Return what an edit changes. Raises :class:`ValueError` when it is no JSON object."""
    try:
        after = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(after, dict):
        raise ValueError("expected a JSON object: the command's fields")  # noqa: TRY004  it is told to a person
    found = []
    for name in dict.fromkeys([*before, *after]):
        old = json.dumps(before[name], ensure_ascii=False) if name in before else None
        new = json.dumps(after[name], ensure_ascii=False) if name in after else None
        if old != new:
            found.append(Change(name, old, new))
    return found


def problem_of(error: Exception) -> str:
    """Return an error in one line."""
    if isinstance(error, ValidationError):
        return first_wrong_field(error)
    if isinstance(error, json.JSONDecodeError):
        return f"this is no JSON: {error}"
    return str(error)
