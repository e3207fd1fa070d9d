"""Values that kombu's serializer has wrapped, such as ``{"__type__": "decimal", "__value__": "1.10"}``. Pure.

A stock Celery application sends them for a Decimal, a date, a UUID (kombu/utils/json.py); a contract reads all of these
from text.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

_MEMBERS = frozenset({"__type__", "__value__"})


def may_be_wrapped(text: bytes) -> bool:
    """Whether JSON may hold wrapped values."""
    return b'"__type__"' in text


def is_wrapped(value: Any) -> bool:
    """Whether a value read from JSON has the form of a wrapped one."""
    return isinstance(value, dict) and value.keys() == _MEMBERS


def unwrapped_all(value: Any) -> Any:
    """Return values read from JSON with every wrapped one as its text."""
    if is_wrapped(value):
        text = unwrapped(value, base64=False)
        return value if text is None else text
    if isinstance(value, dict):
        return {name: unwrapped_all(part) for name, part in value.items()}
    return [unwrapped_all(part) for part in value] if isinstance(value, list) else value


def unwrapped(value: Mapping[str, Any], *, base64: bool) -> str | None:
    """Return a wrapped value as the text that a contract reads; None when it is none that kombu makes.

    ``base64``: the contract reads bytes in base64, not in UTF-8.
    """
    convert = _TEXTS.get(str(value["__type__"]))
    if convert is None:
        return None
    try:
        return convert(value["__value__"], base64)
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        return None


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    # JSON's offsets have no seconds, those of local mean times have.
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()


_TEXTS: dict[str, Callable[[Any, bool], str]] = {
    "decimal": lambda value, _: str(Decimal(value)),
    "datetime": lambda value, _: _moment(value),
    "date": lambda value, _: datetime.fromisoformat(value).date().isoformat(),
    "time": lambda value, _: str(value),
    "uuid": lambda value, _: str(UUID(**value)),
    "bytes": lambda value, base64: b64encode(value.encode()).decode() if base64 else str(value),
    "base64": lambda value, base64: str(value) if base64 else b64decode(value, validate=True).decode(),
}
