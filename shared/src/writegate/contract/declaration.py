"""What a declaration shows to be lost on the way through JSON. Pure.

Only what can be told without a value; the rest is found when the first command is published, see
:mod:`writegate.message.read_back`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from writegate.contract.reading import schemas_in
from writegate.errors import DeclarationError

_WITH_FIELDS = {"model-fields", "dataclass-args", "typed-dict"}


def check_declaration(command: type[BaseModel]) -> None:
    """Raise :class:`DeclarationError` that names a field of which a writer would not get what was given."""
    command.model_rebuild(raise_errors=False)
    if not command.__pydantic_complete__:
        return  # a type that it names is declared later
    for model in schemas_in(command.__pydantic_core_schema__):
        if model["type"] not in {"model", "dataclass", "typed-dict"}:
            continue
        name = getattr(model.get("cls"), "__name__", command.__name__)
        for field, problem in _problems(model):
            raise DeclarationError(f"{name}.{field}: {problem}")


def has_own_serializers(command: type[BaseModel]) -> bool:
    """Whether code that is not pydantic's writes some value, so that one value says nothing of the next."""
    return any(
        not _module(schema["serialization"]).startswith("pydantic")
        for schema in schemas_in(command.__pydantic_core_schema__)
        if "function" in schema.get("serialization", ())
    )


def _problems(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    inner = model
    while "schema" in inner and inner["type"] not in _WITH_FIELDS:
        inner = inner["schema"]
    config = model.get("config") or {}
    ignores = config.get("extra_fields_behavior", "ignore") == "ignore"
    for computed in inner.get("computed_fields") or ():
        if not ignores:
            yield computed["property_name"], "a computed field is written and cannot be read: use a plain property"
    fields = inner.get("fields") or {} if inner["type"] in _WITH_FIELDS else {}
    named = fields.items() if isinstance(fields, dict) else [(part["name"], part) for part in fields]
    for name, field in named:
        if field.get("serialization_exclude") or "serialization_exclude_if" in field:
            yield name, "an excluded field is not sent: a writer would see its default"
        written, read = field.get("serialization_alias") or name, _read_names(name, field, config)
        if written not in read:
            expected = " or ".join(sorted(read)) or "a path"
            yield name, f"it is written as {written!r} and read as {expected}: use one alias for both"
        if any(map(_hides, schemas_in(field["schema"], models=False))) and not _is_written(field["schema"]):
            yield name, "a secret is written as stars: declare it as str and keep it out of logs with repr=False"


def _read_names(name: str, field: Mapping[str, Any], config: Mapping[str, Any]) -> set[str]:
    alias = field.get("validation_alias")
    if alias is None:
        return {name}
    paths = [[alias]] if isinstance(alias, str) else alias if isinstance(alias[0], list) else [alias]
    names = {str(path[0]) for path in paths if len(path) == 1}
    return names | {name} if config.get("validate_by_name") or config.get("populate_by_name") else names


def _hides(schema: Mapping[str, Any]) -> bool:
    serialization = schema.get("serialization") or {}
    return getattr(serialization.get("function"), "__name__", "").startswith("_serialize_secret")


def _is_written(schema: Mapping[str, Any]) -> bool:
    """Whether a serializer of the contract's own stands around what is hidden."""
    return "function" in (schema.get("serialization") or {}) and not _hides(schema)


def _module(serialization: Mapping[str, Any]) -> str:
    return getattr(serialization["function"], "__module__", None) or ""
