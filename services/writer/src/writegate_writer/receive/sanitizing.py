"""Making anything that arrived fit to be stored: PostgreSQL text and jsonb hold neither NUL nor lone surrogates."""

from __future__ import annotations

import math
from typing import Any

from writegate.message.validation import UNSTORABLE

_MOST_LEVELS = 8  # enough for people to read; a hostile header could have thousands of levels


def sanitize_text(value: str) -> str:
    """Return text that PostgreSQL can store, with every other character replaced by U+FFFD."""
    return UNSTORABLE.sub("\ufffd", value)


def sanitize_json(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911  one return a type
    """Return a value as JSON that PostgreSQL can store; what is no JSON becomes its ``repr``."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return sanitize_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if depth == _MOST_LEVELS:
        return "…"
    if isinstance(value, dict):
        return {sanitize_text(str(key)): sanitize_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [sanitize_json(item, depth + 1) for item in value]
    return sanitize_text(repr(value))
