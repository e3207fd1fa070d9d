"""Whether a JSON schema takes all that another one took. Pure.

It knows the JSON schemas that pydantic writes for contracts. Where it cannot decide, it reports a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

# Annotations for readers: they do not change which values are valid. A default is checked with its type.
_SILENT = frozenset({"title", "description", "examples", "default", "deprecated", "$defs"})
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_COMPARED = frozenset({"properties", "required", "enum", "items", *_LEAST, *_MOST})


def narrowed(old: Schema, new: Schema) -> list[str]:
    """Return what ``old`` takes and ``new`` does not, a line each."""
    return list(_Comparison(old.get("$defs", {}), new.get("$defs", {})).schemas(old, new, "", frozenset()))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two schemas' definitions. ``path``: where in them we are; ``inside``: pairs of models that this is part of."""

    old: Schema
    new: Schema

    def schemas(self, old: Schema, new: Schema, path: str, inside: frozenset[tuple[str, str]]) -> Iterator[str]:
        if "$ref" in old and "$ref" in new:
            models = (old["$ref"], new["$ref"])
            if models in inside:
                return  # a model that holds itself: it is being compared already
            inside |= {models}
        old, new = _followed(old, self.old), _followed(new, self.new)
        if "anyOf" in old or "anyOf" in new:
            yield from self._choices(old, new, path, inside)
            return
        where = path or "all of it"
        yield from _words(old, new, where)
        yield from _bounds(old, new, where)
        yield from self._properties(old, new, path, inside)
        if "items" in new:
            yield from self.schemas(old.get("items", {}), new["items"], f"{path}[]", inside)

    def _choices(self, old: Schema, new: Schema, path: str, inside: frozenset[tuple[str, str]]) -> Iterator[str]:
        choices = new.get("anyOf", [new])
        for variant in old.get("anyOf", [old]):
            reasons = [list(self.schemas(variant, choice, path, inside)) for choice in choices]
            if all(reasons):
                yield (
                    min(reasons, key=len)[0] if len(choices) == 1 else f"{path}: {_kind(variant)} is not taken any more"
                )

    def _properties(self, old: Schema, new: Schema, path: str, inside: frozenset[tuple[str, str]]) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{_at(path, name)}: it is required now"
        for name, schema in before.items():
            if name in after:
                yield from self.schemas(schema, after[name], _at(path, name), inside)
            elif new.get("additionalProperties") is False:
                yield f"{_at(path, name)}: it is gone, and what has it is refused"


def _words(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for name in sorted(set(new) - _SILENT - _COMPARED):
        if old.get(name) != new[name]:
            yield f"{where}: {name} was {_told(old, name)} and is {new[name]!r}"
    if "enum" in new and not set(map(repr, old.get("enum", [None]))) <= set(map(repr, new["enum"])):
        yield f"{where}: it must be one of {new['enum']} now"


def _bounds(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for name in (*_LEAST, *_MOST):
        if name not in new:
            continue
        wider = name in old and (old[name] >= new[name] if name in _LEAST else old[name] <= new[name])
        if not wider:
            yield f"{where}: {name} was {_told(old, name)} and is {new[name]!r}"


def _followed(schema: Schema, definitions: Schema) -> Schema:
    found: Schema = definitions.get(str(schema.get("$ref")).rpartition("/")[2], schema)
    return found


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _kind(schema: Schema) -> str:
    return str(schema.get("format") or schema.get("type") or schema.get("$ref") or "what it took")


def _told(schema: Schema, name: str) -> str:
    return repr(schema[name]) if name in schema else "not limited"
