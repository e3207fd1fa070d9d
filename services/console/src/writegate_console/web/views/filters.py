"""Filters of kept commands, as the query of a page has them. Pure, but for the dependencies at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlencode

from fastapi import Depends, Request
from pydantic import ValidationError

from writegate.contract.operations import Selection
from writegate.errors import first_wrong_field
from writegate_console.gate.kept.actions import TABLES, KeptName
from writegate_console.gate.kept.asking import STATES

ParkedState = Literal["parked", "replaying", "replayed", "dropped"]
DeferredState = Literal["deferred", "parking", "dropping"]
_TEXTS = ("service", "task", "cause", "key", "id", "text")
_TIMES = ("since", "before")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which commands of a table a page shows. ``problem``: why the query cannot be read; it selects nothing then."""

    name: KeptName
    selection: Selection
    state: str
    problem: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def states(self) -> Collection[str]:
        """The states that commands of the table are searched by."""
        return STATES[TABLES[self.name]]

    @property
    def query(self) -> str:
        """The filters as a query again, for links."""
        chosen = self.selection.numbers
        # No number chosen is not the same as no filter by number: an empty `number` keeps the difference.
        numbers = [] if chosen is None else [("number", str(number)) for number in chosen] or [("number", "")]
        return urlencode([*self.given.items(), *numbers])


def filters_of(name: KeptName, values: Mapping[str, list[str]]) -> Filters:
    """Read filters of a table.

    What cannot be read becomes ``problem`` and selects nothing; so does ``number`` without a value.
    """
    given = {field: text for field in (*_TEXTS, *_TIMES, "state") if (text := (values.get(field) or [""])[0].strip())}
    numbers = [number for number in values.get("number", []) if number.strip()]
    fields: dict[str, Any] = {field: text for field, text in given.items() if field in _TEXTS}
    state, states = given.get("state", name), STATES[TABLES[name]]
    try:
        for time in _TIMES:
            if time in given:
                fields[time] = _parse_time(given[time])
        if "number" in values:
            fields["numbers"] = tuple(int(number) for number in numbers)
        if state not in states:
            raise ValueError(f"there is no state {state!r}: expected one of {', '.join(states)}")  # noqa: TRY301
        return Filters(name, Selection(**fields), state, None, given)
    except ValidationError as error:
        problem = first_wrong_field(error)
    except ValueError as error:
        problem = str(error)
    return Filters(name, Selection(numbers=()), name, problem, given)


def filters_in_query(name: KeptName, query: str) -> Filters:
    """Return the filters of a table in a query that a form carries."""
    return filters_of(name, parse_qs(query, keep_blank_values=True))


def movable_selection(filters: Filters) -> Selection:
    """Return which commands to replay, park or drop. Raises :class:`ValueError` when the filters cannot be used."""
    if filters.problem is not None:
        raise ValueError(filters.problem)
    if filters.state != filters.name:
        raise ValueError(f"only {filters.name} commands can be replayed or dropped, not {filters.state} ones")
    return filters.selection


def parked_filters(request: Request) -> Filters:
    """Return the filters in the query of the page of parked commands."""
    return filters_in_query("parked", request.url.query)


def deferred_filters(request: Request) -> Filters:
    """Return the filters in the query of the page of deferred commands."""
    return filters_in_query("deferred", request.url.query)


ParkedFilters = Annotated[Filters, Depends(parked_filters)]
DeferredFilters = Annotated[Filters, Depends(deferred_filters)]


def _parse_time(text: str) -> datetime:
    """Read a time; without a zone it is UTC, as all times of the page are."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
