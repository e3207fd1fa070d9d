"""An edit of a parked command: which fields it changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from writegate.contract.json_values import read_json, show_json


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after an edit, as JSON; None where it is missing."""

    field: str
    before: str | None
    after: str | None


def field_changes(before: Mapping[str, Any], text: str) -> list[FieldChange]:
    """Return what an edit changes. ``text``: all new fields. Raises :class:`ValueError` when it is no JSON object."""
    try:
        after = read_json(text)
    except ValueError as error:
        raise ValueError(f"this is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(after, dict):
        raise ValueError("expected a JSON object: the command's fields")  # noqa: TRY004  the message is for a person
    found = []
    for name in dict.fromkeys([*before, *after]):
        old = show_json(before[name]) if name in before else None
        new = show_json(after[name]) if name in after else None
        if old != new:
            found.append(FieldChange(name, old, new))
    return found
