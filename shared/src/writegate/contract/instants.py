"""Moments in a command are instants in UTC, from the time it is made: what a publisher sees, a writer sees. Pure.

JSON's offsets have whole minutes. Local mean times have seconds: noon of 1880 in Amsterdam would be read 28 s off. And
a key that is made of a moment has to be the same text at both ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, time
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import CoreSchema, core_schema

from writegate.contract.reading import schemas_in, value_types

_MOMENTS = frozenset({"datetime", "time"})
# Models that are used in others are looked at when the first value comes: before, they may be incomplete.
_NESTED = frozenset({"definition-ref", "model", "dataclass"})


def normalize_fields(model: type[BaseModel], schema: CoreSchema) -> None:
    """Change the schema of a model so that moments in its fields are in UTC."""

    def of_nested(value: Any) -> Any:
        return in_utc(value) if value_types(model) & _MOMENTS else value

    while schema["type"] != "model-fields":
        schema = cast("Any", schema)["schema"]  # what stands around a model's fields has one
    for field in schema["fields"].values():
        types = {part["type"] for part in schemas_in(field["schema"])}
        if not types & (_MOMENTS | _NESTED):
            continue
        function = in_utc if types & _MOMENTS else of_nested
        inner = field["schema"]
        if inner["type"] == "default":
            # A default is a value too.
            default = core_schema.no_info_after_validator_function(function, inner["schema"])
            field["schema"] = {**inner, "schema": default, "validate_default": bool(types & _MOMENTS)}
        else:
            field["schema"] = core_schema.no_info_after_validator_function(function, inner)


def in_utc(value: Any) -> Any:  # noqa: PLR0911  one return a type
    """Return a value with every moment in it in UTC; the same object when there is nothing to change.

    Raises ValueError for a moment that UTC does not have, and for a time of day whose offset JSON cannot say.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, time):
        _check_offset(value)
        return value
    if isinstance(value, dict):
        return _with(value, {key: in_utc(part) for key, part in value.items()})
    if isinstance(value, list | set | frozenset):
        parts = [in_utc(part) for part in value]
        return value if all(map(_is, parts, value)) else type(value)(parts)
    if isinstance(value, tuple):
        parts = [in_utc(part) for part in value]
        make = getattr(value, "_make", type(value))  # of a named tuple
        return value if all(map(_is, parts, value)) else make(parts)
    if isinstance(value, BaseModel):
        parts_ = {name: in_utc(part) for name, part in value.__dict__.items()}
        return _with(value, parts_)
    if is_dataclass(value) and not isinstance(value, type):
        return _with(value, {field.name: in_utc(getattr(value, field.name)) for field in fields(value)})
    return value


def _instant(moment: datetime) -> datetime:
    if moment.tzinfo is None or moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"expected a moment of the years 1 to 9999 in UTC, got {moment.isoformat()}") from None


def _check_offset(moment: time) -> None:
    offset = moment.utcoffset()
    if moment.tzinfo is not None and (offset is None or offset.total_seconds() % 60):
        raise ValueError(f"expected a time of day without zone, or with an offset of whole minutes, got {moment!r}")


def _with(value: Any, parts: Mapping[Any, Any]) -> Any:
    """Return a copy of a dict, model or dataclass with these parts, or itself when they are its own."""
    if isinstance(value, dict):
        return value if all(map(_is, parts.values(), value.values())) else dict(parts)
    own = value.__dict__ if isinstance(value, BaseModel) else {name: getattr(value, name) for name in parts}
    if all(map(_is, parts.values(), own.values())):
        return value
    changed = copy(value)
    for name, part in parts.items():
        object.__setattr__(changed, name, part)
    return changed


def _is(left: Any, right: Any) -> bool:
    return left is right
