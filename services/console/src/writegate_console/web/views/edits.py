"""An edit of a parked command: which fields it changes. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after an edit, as JSON; None where it is missing."""

    field: str
    before: str | None
    after: str | None


def field_changes(before: Mapping[str, Any], text: str) -> list[FieldChange]:
    """Return what an edit changes. ``text``: all new fields. Raises :class:`ValueError` when it is no JSON object."""
    try:
        after = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(after, dict):
        raise ValueError("expected a JSON object: the command's fields")  # noqa: TRY004  the message is for a person
    found = []
    for name in dict.fromkeys([*before, *after]):
        old = json.dumps(before[name], ensure_ascii=False) if name in before else None
        new = json.dumps(after[name], ensure_ascii=False) if name in after else None
        if old != new:
            found.append(FieldChange(name, old, new))
    return found
