"""Filters of parked commands, as the query of a page has them. Pure, but for the dependency at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args
from urllib.parse import parse_qs, urlencode

from fastapi import Depends, Request
from pydantic import ValidationError

from writegate.contract.operations import Selection
from writegate.errors import first_wrong_field

ParkedState = Literal["parked", "replaying", "replayed", "dropped"]
STATES: tuple[ParkedState, ...] = get_args(ParkedState)
_TEXTS = ("service", "task", "cause", "key", "id", "text")
_TIMES = ("since", "before")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which parked commands a page shows. ``problem``: why the query cannot be read; it selects nothing then."""

    selection: Selection
    state: str = "parked"
    problem: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """The filters as a query again, for links."""
        chosen = self.selection.numbers
        # No number chosen is not the same as no filter by number: an empty `number` keeps the difference.
        numbers = [] if chosen is None else [("number", str(number)) for number in chosen] or [("number", "")]
        return urlencode([*self.given.items(), *numbers])


def filters_of(values: Mapping[str, list[str]]) -> Filters:
    """Read filters. What cannot be read becomes ``problem`` and selects nothing; so does ``number`` without a value."""
    given = {name: text for name in (*_TEXTS, *_TIMES, "state") if (text := (values.get(name) or [""])[0].strip())}
    numbers = [number for number in values.get("number", []) if number.strip()]
    fields: dict[str, Any] = {name: text for name, text in given.items() if name in _TEXTS}
    state = given.get("state", "parked")
    try:
        for name in _TIMES:
            if name in given:
                fields[name] = _parse_time(given[name])
        if "number" in values:
            fields["numbers"] = tuple(int(number) for number in numbers)
        if state not in STATES:
            raise ValueError(f"there is no state {state!r}: expected one of {', '.join(STATES)}")  # noqa: TRY301
        return Filters(Selection(**fields), state, None, given)
    except ValidationError as error:
        problem = first_wrong_field(error)
    except ValueError as error:
        problem = str(error)
    return Filters(Selection(numbers=()), "parked", problem, given)


def filters_in_query(query: str) -> Filters:
    """Return the filters in a query that a form carries."""
    return filters_of(parse_qs(query, keep_blank_values=True))


def movable_selection(filters: Filters) -> Selection:
    """Return which parked commands to replay or drop. Raises :class:`ValueError` when the filters cannot be used."""
    if filters.problem is not None:
        raise ValueError(filters.problem)
    if filters.state != "parked":
        raise ValueError(f"only parked commands can be replayed or dropped, not {filters.state} ones")
    return filters.selection


def page_filters(request: Request) -> Filters:
    """Return the filters in a page's query."""
    values: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        values.setdefault(name, []).append(value)
    return filters_of(values)


PageFilters = Annotated[Filters, Depends(page_filters)]


def _parse_time(text: str) -> datetime:
    """Read a time; without a zone it is UTC, as all times of the page are."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
