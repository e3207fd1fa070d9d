"""Reading a contract's JSON without loss: what pydantic would round or refuse is given to it as text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from writegate.contract.json_values import ExactNumber, read_json, write_json
from writegate.contract.wrapped_values import is_wrapped, may_be_wrapped, unwrapped

# A number with a fraction or an exponent: after a bracket, a comma, or a colon that is not inside a time.
_FRACTION = re.compile(rb"(?:[:,\[](?<!\d:)|\A)\s*-?\d+[.eE]")


def readable(kind: type[BaseModel], text: bytes | str) -> bytes | str:
    """Return a model's JSON as pydantic reads it without loss: numbers of Decimal fields, and typed values, as text."""
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if not may_be_wrapped(raw) and not ("decimal" in value_types(kind) and _FRACTION.search(raw)):
        return text
    try:
        value = read_json(raw)
    except (ValueError, RecursionError):
        return text  # pydantic says what is wrong with it
    return write_json(_Reading(kind).read(value, [kind.__pydantic_core_schema__]))


@lru_cache(maxsize=4096)
def value_types(kind: type[BaseModel]) -> frozenset[str]:
    """Return the types of pydantic's core schema that a model and all it refers to have."""
    kind.model_rebuild()  # one that names a type declared after it may be incomplete until now
    return frozenset(part["type"] for part in schemas_in(kind.__pydantic_core_schema__))


def schemas_in(schema: Any, *, models: bool = True) -> Iterator[Mapping[str, Any]]:
    """Yield a core schema and all in it; without what is inside of ``models`` in it, if so asked."""
    remaining = [schema]
    while remaining:
        part = remaining.pop()
        if isinstance(part, dict):
            if not models and part.get("type") in {"model", "dataclass", "typed-dict"}:
                continue
            if isinstance(part.get("type"), str):
                yield part
            remaining += [inner for name, inner in part.items() if name not in {"metadata", "default", "config"}]
        elif isinstance(part, list | tuple):
            remaining += part


# Of kombu's types, those of a contract that take the value as text.
_TARGETS = {
    "decimal": {"decimal"},
    "datetime": {"datetime", "date"},
    "date": {"date", "datetime"},
    "time": {"time"},
    "uuid": {"uuid"},
    "bytes": {"bytes"},
    "base64": {"bytes"},
}
# Where one of these is possible too, a number is left a number, and a text would be read as another thing.
_NOT_TEXT = {"float", "any", "str"}
_MAPPINGS = {"any", "dict", "typed-dict", "model-fields", "dataclass-args"}


class _Reading:
    """Values beside the core schemas that may be at their place; more than one in a union."""

    def __init__(self, kind: type[BaseModel]) -> None:
        self._definitions: dict[str, Any] = {}
        self._base64 = kind.model_config.get("val_json_bytes") == "base64"

    def read(self, value: Any, schemas: Iterable[Any]) -> Any:
        leaves = list(self._leaves(schemas))
        types = {leaf["type"] for leaf in leaves}
        if isinstance(value, float) and "decimal" in types and types.isdisjoint(_NOT_TEXT):
            return value.text if isinstance(value, ExactNumber) else repr(value)
        if isinstance(value, dict):
            if is_wrapped(value) and types.isdisjoint(_MAPPINGS):
                return self._unwrapped(value, types)
            return {name: self.read(part, self._of_field(name, leaves)) for name, part in value.items()}
        if isinstance(value, list):
            return [self.read(part, self._of_item(number, leaves)) for number, part in enumerate(value)]
        return value

    def _unwrapped(self, value: dict[str, Any], types: set[str]) -> Any:
        if types.isdisjoint(_TARGETS.get(str(value["__type__"]), ())):
            return value
        text = unwrapped(value, base64=self._base64)
        return value if text is None else text

    def _leaves(self, schemas: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the schemas inside of unions, references and functions."""
        for schema in schemas:
            if inner := self._inside(schema):
                yield from self._leaves(inner)
            else:
                yield schema

    def _inside(self, schema: Mapping[str, Any]) -> Iterable[Any]:
        """Return the schemas that one only stands around; nothing when it is a value's own."""
        match schema["type"]:
            case "definitions":
                self._definitions |= {part["ref"]: part for part in schema["definitions"]}
            case "definition-ref":
                return [self._definitions[schema["schema_ref"]]]
            case "union":
                return [part[0] if isinstance(part, tuple) else part for part in schema["choices"]]
            case "tagged-union":
                return list(schema["choices"].values())
            case "chain":
                return schema["steps"][:1]  # type: ignore[no-any-return]
        inner = next((schema[name] for name in ("schema", "strict_schema", "json_schema") if name in schema), None)
        return [inner] if isinstance(inner, dict) else []

    def _of_field(self, name: str, leaves: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
        for leaf in leaves:
            fields = leaf.get("fields", {})
            named = fields.items() if isinstance(fields, dict) else ((part["name"], part) for part in fields)
            for field, part in named:
                if name in read_names(field, part):
                    yield part["schema"]
            if leaf["type"] == "dict" and "values_schema" in leaf:
                yield leaf["values_schema"]

    def _of_item(self, number: int, leaves: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
        for leaf in leaves:
            items = leaf.get("items_schema", ())
            if isinstance(items, dict):
                yield items
            elif "variadic_item_index" in leaf:  # tuple[X, ...]
                yield from items
            elif number < len(items):
                yield items[number]


def read_names(field: str, schema: Mapping[str, Any]) -> set[str]:
    """Return the names by which a model reads a field from JSON."""
    alias = schema.get("validation_alias")
    paths = [alias] if isinstance(alias, str) else alias or []
    return {field, *(path if isinstance(path, str) else str(path[0]) for path in paths)}
