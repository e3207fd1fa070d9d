"""What the API takes and returns, besides the dataclasses of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar

from fastapi import HTTPException, Path, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from writegate.contract.operations import MOST_AT_ONCE, Selection, Text
from writegate_console.gate.kept.search import PAGE_COMMANDS, DeferredCommand, KeptGroup, ParkedCommand
from writegate_console.gate.overview.queries import Overview
from writegate_console.web.views.filters import DeferredState, ParkedState

T = TypeVar("T")

_BIGINT = 2**63
Number = Annotated[int, Path(ge=0, lt=_BIGINT)]
Below = Annotated[
    Annotated[int, Field(ge=0, lt=_BIGINT)] | None, Field(description="only those with lower numbers: the next page")
]
Limit = Annotated[int, Field(ge=1, le=500)]


class Problem(BaseModel):
    """What went wrong."""

    detail: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in (
        (400, "A value is not possible."),
        (401, "Nobody is logged in."),
        (403, "This user may not do it."),
        (404, "There is no such thing."),
        (409, "The writer refused it, or it failed: see the detail."),
        (413, "The body is too large."),
        (429, "Too many failed log-ins, or open pages: wait, or close some."),
        (503, "Database or broker do not answer now, or too many log in at once."),
    )
}


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """Who calls. ``csrf``: for the header X-CSRF-Token, when a browser's session calls."""

    name: str
    role: str
    csrf: str


@dataclass(frozen=True, slots=True)
class OverviewAnswer:
    """The newest overview. ``database`` and ``broker`` say what is wrong with each, null when nothing is."""

    age_seconds: float
    database: str | None
    broker: str | None
    overview: Overview


@dataclass(frozen=True, slots=True)
class ParkedPage:
    """One page of a search; ``total``: of all pages."""

    total: int
    groups: list[KeptGroup]
    commands: list[ParkedCommand]


@dataclass(frozen=True, slots=True)
class DeferredPage:
    """One page of a search; ``total``: of all pages."""

    total: int
    groups: list[KeptGroup]
    commands: list[DeferredCommand]


@dataclass(frozen=True, slots=True)
class DrainAnswer:
    """Whether a target is drained, and how much is left, by what it waits for."""

    drained: bool
    left: dict[str, int]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _KeptQuery(_Strict):
    service: str | None = None
    task: str | None = None
    cause: str | None = None
    key: str | None = None
    id: str | None = None
    text: str | None = None
    since: AwareDatetime | None = None
    before: AwareDatetime | None = None
    number: list[Annotated[int, Field(ge=0, lt=_BIGINT)]] = Field(default=[], max_length=MOST_AT_ONCE)
    below: Below = None
    limit: Limit = PAGE_COMMANDS

    def selection(self) -> Selection:
        """Return it as an action takes it."""
        names = ("service", "task", "cause", "key", "id", "text", "since", "before")
        return Selection(**{name: getattr(self, name) for name in names}, numbers=tuple(self.number) or None)


class ParkedQuery(_KeptQuery):
    """Which parked commands, as a query."""

    state: ParkedState = "parked"


class DeferredQuery(_KeptQuery):
    """Which deferred commands, as a query."""

    state: DeferredState = "deferred"


class AuditQuery(_Strict):
    """Which entries of the audit, as a query. ``target``: a part of it."""

    who: str | None = None
    action: str | None = None
    target: str | None = None
    before: Below = None
    limit: Limit = 50


class _Request(_Strict):
    reason: Text


class HoldRequest(_Request):
    """A hold that is to be placed."""

    target: Text = Field(description="flights | flights.0 | flights.record_departure | flights key=UA123 | table:name")
    until: AwareDatetime | None = None


class ReleaseRequest(_Request):
    """A hold that is to be released."""

    target: Text


class SelectionRequest(Selection):
    """A selection from JSON, which has arrays in place of tuples and texts in place of times."""

    model_config = ConfigDict(strict=False)

    def as_sent(self) -> Selection:
        """Return it as an operation takes it."""
        return Selection(**dict(self))


class DryRunRequest(_Request):
    """Parked or deferred commands to try: all that match everything that is given."""

    selection: SelectionRequest


class MoveRequest(DryRunRequest):
    """Commands to replay, park or drop. Without any filter it takes ``all``: an empty one is soon sent by mistake."""

    all: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.selection == SelectionRequest() and not self.all:
            raise ValueError('the selection is empty: give a filter, or "all": true')
        return self


class RemovalRequest(_Request):
    """A command that is not to be applied, wherever it is. ``drop``: for good; else it is parked."""

    service: str
    id: str = Field(min_length=1, max_length=1000)
    drop: bool


class EditRequest(_Request):
    """A parked command's new fields. ``was``: the SHA-256 of the body they replace, as the caller has seen it."""

    fields: dict[str, Any]
    was: str


def found_or_404(found: T | None, otherwise: str) -> T:
    """Return what was found. Raises 404 with a reason."""
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, otherwise)
    return found
