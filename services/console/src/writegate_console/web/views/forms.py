"""Forms, as browsers send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, HTTPException, Request, status
from pydantic import ValidationError

from writegate.errors import first_wrong_field
from writegate_console.web.security.csrf import CSRF_FIELD, is_cross_site, same_secret
from writegate_console.web.security.identity import Viewer, page_operator

MAX_FIELDS = 2000


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form."""

    values: Mapping[str, list[str]] = field(repr=False)  # one may be a password

    def text(self, name: str) -> str:
        """Return one field without surrounding spaces; empty when it is missing."""
        return self.raw(name).strip()

    def raw(self, name: str) -> str:
        """Return one field as it was typed; empty when it is missing."""
        return (self.values.get(name) or [""])[0]


@dataclass(frozen=True, slots=True)
class OperatorForm(Form):
    """A form that an operator sent from a page of their own."""

    by: Viewer


async def read_form(request: Request) -> Form:
    """Return the form in a request. Raises 403 when a page of another site sent it."""
    if is_cross_site(request):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "this was sent by a page of another site")
    try:
        return Form(parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, f"this is not a form: {error}") from None


def read_operator_form(
    by: Annotated[Viewer, Depends(page_operator)], form: Annotated[Form, Depends(read_form)]
) -> OperatorForm:
    """Return what an operator sent. Raises 403 when the form's token is not that of their pages."""
    if not same_secret(form.raw(CSRF_FIELD), by.csrf):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            "this form is not from a page that you have open now: go back, load it again, and repeat",
        )
    return OperatorForm(form.values, by)


SentForm = Annotated[Form, Depends(read_form)]
SentOperatorForm = Annotated[OperatorForm, Depends(read_operator_form)]


def problem_of(error: Exception) -> str:
    """Return what is wrong with a form in one line, for the page that shows it again."""
    return first_wrong_field(error) if isinstance(error, ValidationError) else str(error)
