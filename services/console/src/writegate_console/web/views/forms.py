"""Forms and filters, as browsers send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import Depends, HTTPException, Request, status
from pydantic import ValidationError

from writegate.contract.operations import Selection
from writegate.errors import first_wrong_field
from writegate_console.web.security.identity import CSRF_FIELD, Viewer, from_elsewhere, operator, same

MOST_BYTES = 1024 * 1024  # of a form: the fields of a command may have 256 KiB, and each byte may take three
_TEXTS = ("service", "task", "cause", "key", "id", "text")
_TIMES = ("since", "before")


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed, and by whom."""

    values: Mapping[str, list[str]]
    by: Viewer | None = None

    def text(self, name: str) -> str:
        """Return one field; nothing when it is not there."""
        return (self.values.get(name) or [""])[0].strip()

    def raw(self, name: str) -> str:
        """Return one field as it was typed."""
        return (self.values.get(name) or [""])[0]


async def plain_form(request: Request) -> Form:
    """Return what was sent. Raises 403 when another site's page sent it, 413 when it is too much."""
    if from_elsewhere(request):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "this was sent by a page of another site")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, f"a form has at most {MOST_BYTES} bytes")
    try:
        return Form(parse_qs(body.decode(), keep_blank_values=True, max_num_fields=2000))
    except ValueError as error:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, f"this is no form: {error}") from None


def operators_form(by: Annotated[Viewer, Depends(operator)], form: Annotated[Form, Depends(plain_form)]) -> Form:
    """Return what an operator sent by a page of his own. Raises 403."""
    if not same(form.raw(CSRF_FIELD), by.csrf):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            "this form is not of a page you have open now: go back, load it again, and repeat",
        )
    return Form(form.values, by)


PlainForm = Annotated[Form, Depends(plain_form)]
OperatorsForm = Annotated[Form, Depends(operators_form)]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which parked commands, as the query of a page says."""

    selection: Selection
    state: str = "parked"
    problem: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """Return them as a query again, for links."""
        chosen = self.selection.numbers
        # None that is chosen is not all: that stays in the query.
        numbers = [] if chosen is None else [("number", str(one)) for one in chosen] or [("number", "")]
        return urlencode([*self.given.items(), *numbers])


STATES = ("parked", "replaying", "replayed", "dropped")


def filters_of(values: Mapping[str, list[str]]) -> Filters:
    """Read filters; what cannot be read is told, and selects nothing. So does ``number`` without a number."""
    given = {name: text for name in (*_TEXTS, *_TIMES, "state") if (text := (values.get(name) or [""])[0].strip())}
    numbers = [one for one in values.get("number", []) if one.strip()]
    fields: dict[str, Any] = {name: text for name, text in given.items() if name in _TEXTS}
    state = given.get("state", "parked")
    try:
        for name in _TIMES:
            if name in given:
                fields[name] = _time(given[name])
        if "number" in values:
            fields["numbers"] = tuple(int(one) for one in numbers)
        if state not in STATES:
            raise ValueError(f"there is no state {state!r}: expected one of {', '.join(STATES)}")  # noqa: TRY301
        return Filters(Selection(**fields), state, None, given)
    except ValidationError as error:
        problem = first_wrong_field(error)
    except ValueError as error:
        problem = str(error)
    return Filters(Selection(numbers=()), "parked", problem, given)


def filters_in(query: str) -> Filters:
    """Return the filters in a query that a form carries."""
    return filters_of(parse_qs(query, keep_blank_values=True))


def page_filters(request: Request) -> Filters:
    """Return the filters in a page's query."""
    values: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        values.setdefault(name, []).append(value)
    return filters_of(values)


PageFilters = Annotated[Filters, Depends(page_filters)]


def _time(text: str) -> datetime:
    """Read a time; without a zone it is UTC, as all times of the page are."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
