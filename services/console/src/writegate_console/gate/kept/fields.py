"""The fields of a parked or deferred command, as people read and change them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from writegate.contract.json_values import read_json
from writegate.errors import WritegateError

BODY_NOT_KEPT = "(no longer kept: a writer deletes the bodies of decided commands after WRITEGATE_PARKED_DAYS)"


def fields_of(raw: bytes) -> dict[str, Any] | None:
    """Return the fields in a parked body, or in the whole Celery message that was parked; None when there are none."""
    body = _values_in(raw)
    if isinstance(body, list) and len(body) == 3:  # Celery's [args, kwargs, embed]
        body = body[1]
    return body if isinstance(body, dict) else None


def _values_in(raw: bytes) -> Any:
    try:
        return read_json(raw)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(raw)  # NaN, which JSON has not: that may be why it is parked
    except (ValueError, RecursionError):
        return None


def body_digest(raw: bytes) -> str:
    """Return the SHA-256 of a body, in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def with_settings(fields: dict[str, Any] | None, settings: Iterable[str]) -> dict[str, Any]:
    """Return fields with some set to other values, each given as ``name=JSON``. Raises :class:`WritegateError`."""
    if fields is None:
        raise WritegateError(
            "its body has no fields that could be changed one by one: give all of them with --fields FILE"
        )
    return {**fields, **dict(map(_setting, settings))}


def _setting(text: str) -> tuple[str, Any]:
    name, found, value = text.partition("=")
    try:
        return name, read_json(value if found else "")
    except ValueError as error:
        form = """a field's name, = and JSON, such as --set amount=5 or --set 'name="x"'"""
        raise WritegateError(f"--set {text!r}: expected {form}: {error}") from error
