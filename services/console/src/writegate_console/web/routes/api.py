"""The same as JSON, under /api/v1."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query, Request, status
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from writegate.contract.operations import MOST_AT_ONCE, DryRun, Edit, Hold, Release, Selection, Text
from writegate_console.gate import audit, batches
from writegate_console.gate.audit import Act
from writegate_console.gate.batches import Decided
from writegate_console.gate.connections.counts import Picture
from writegate_console.gate.drain.look import drain_look
from writegate_console.gate.history import History, Period
from writegate_console.gate.overview import Overview
from writegate_console.gate.parked import search as parked
from writegate_console.gate.parked.queries import report
from writegate_console.gate.parked.search import Group, Parked, ParkedDetail
from writegate_console.gate.service_rows import ServiceRow
from writegate_console.gate.targets import find
from writegate_console.web.security.identity import ApiLooking, ApiOperating
from writegate_console.web.state.jobs import Action, Job
from writegate_console.web.state.state import state_of
from writegate_console.web.views import models as looking
from writegate_console.web.views.effects import highest, total
from writegate_console.web.views.models import CommandPage, ServicePage


class Problem(BaseModel):
    """What went wrong."""

    detail: str


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in (
        (400, "What was asked for cannot be."),
        (401, "Nobody is logged in."),
        (403, "This user may not do it."),
        (404, "There is no such thing."),
        (409, "The writer refused it, or it failed: see the detail."),
        (429, "Too many failed log-ins: wait."),
        (503, "Database or broker do not answer now."),
    )
}
router = APIRouter(prefix="/api/v1", responses=_PROBLEMS)

# The numbers of rows: bigint.
Number = Annotated[int, Path(ge=0, lt=2**63)]
Below = Annotated[
    Annotated[int, Field(ge=0, lt=2**63)] | None, Field(description="only those with lower numbers: the next page")
]
Limit = Annotated[int, Field(ge=1, le=500)]
MOST_DRAIN_SECONDS = 30
DRAIN_SECONDS = 1.0  # between two looks


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks. ``csrf``: for the header X-CSRF-Token, when a browser's session asks."""

    name: str
    role: str
    csrf: str


@dataclass(frozen=True, slots=True)
class Now:
    """The newest look. ``database`` and ``broker`` say what is wrong with each."""

    age_seconds: float
    database: str | None
    broker: str | None
    overview: Overview


@dataclass(frozen=True, slots=True)
class ParkedPage:
    """One page of a search; ``total``: of all pages."""

    total: int
    groups: list[Group]
    commands: list[Parked]


@dataclass(frozen=True, slots=True)
class Drained:
    """Whether a target is drained, and how much is left of what it waits for."""

    drained: bool
    left: dict[str, int]


class Search(BaseModel):
    """Which parked commands, as a query."""

    model_config = ConfigDict(extra="forbid")

    service: str | None = None
    task: str | None = None
    cause: str | None = None
    key: str | None = None
    id: str | None = None
    text: str | None = None
    since: AwareDatetime | None = None
    before: AwareDatetime | None = None
    number: list[Annotated[int, Field(ge=0, lt=2**63)]] = Field(default=[], max_length=MOST_AT_ONCE)
    state: Literal["parked", "replaying", "replayed", "dropped"] = "parked"
    below: Below = None
    limit: Limit = parked.PAGE

    def selection(self) -> Selection:
        """Return it as an action takes it."""
        names = ("service", "task", "cause", "key", "id", "text", "since", "before")
        return Selection(**{name: getattr(self, name) for name in names}, numbers=tuple(self.number) or None)


class ActsAsked(BaseModel):
    """Which acts, as a query. ``target``: a part of it."""

    model_config = ConfigDict(extra="forbid")

    who: str | None = None
    action: str | None = None
    target: str | None = None
    before: Below = None
    limit: Limit = 50


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text


class HoldAsked(_Asked):
    """A hold that is to be placed."""

    target: Text = Field(description="flights | flights.0 | flights.record_departure | flights key=UA123 | table:name")
    until: AwareDatetime | None = None


class ReleaseAsked(_Asked):
    """A hold that is to end."""

    target: Text


class SelectionAsked(_Asked):
    """Parked commands that are to be moved: all that fit everything that is given."""

    selection: Selection


class MoveAsked(SelectionAsked):
    """What is to become of parked commands. Without any filter it takes ``all``: an empty one is soon sent."""

    all: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.selection == Selection() and not self.all:
            raise ValueError('the selection is empty: give a filter, or "all": true')
        return self


class EditAsked(_Asked):
    """A parked command's new fields. ``was``: the SHA-256 of the body one looked at."""

    fields: dict[str, Any]
    was: str


@router.get("/me")
def me(viewer: ApiLooking) -> Me:
    """Tell who asks."""
    return Me(viewer.user.name, viewer.user.role, viewer.csrf)


@router.get("/overview")
def overview(request: Request, viewer: ApiLooking) -> Now:
    """Return the whole gate."""
    del viewer
    seen, found = looking.present(state_of(request))
    return Now(seen.age_seconds, seen.database, seen.broker, found)


@router.get("/history")
def history(request: Request, viewer: ApiLooking, period: Period = "15m", service: str | None = None) -> History:
    """Return figures of the last hours, of one service or of the gate."""
    del viewer
    return state_of(request).histories.get((period, service))


@router.get("/services")
def services(request: Request, viewer: ApiLooking) -> list[ServiceRow]:
    """Return all services."""
    del viewer
    return list(looking.present(state_of(request))[1].services)


@router.get("/services/{name}")
def service(request: Request, viewer: ApiLooking, name: str) -> ServicePage:
    """Return one service."""
    del viewer
    return _there(looking.service(state_of(request), name), f"there is no service {name!r}")


@router.get("/commands/{id}")
def command(request: Request, viewer: ApiLooking, id: str) -> CommandPage:  # noqa: A002  its name in the address
    """Return what became of a command."""
    del viewer
    found = looking.command(state_of(request), id)
    return _there(found if found.anything else None, f"nothing is known of {id!r}")


@router.get("/batches/{number}")
def batch(request: Request, viewer: ApiLooking, number: Number) -> Decided:
    """Return a batch and its commands."""
    del viewer
    found = batches.decided(state_of(request).reader, number)
    return _there(found, f"there is no batch {number}, or it is not kept any more")


@router.get("/parked")
def parked_list(
    request: Request,
    viewer: ApiLooking,
    search: Annotated[Search, Query()],
) -> ParkedPage:
    """Return parked commands that fit, newest first."""
    del viewer
    reader, chosen = state_of(request).reader, search.selection()
    groups = parked.groups(reader, chosen, state=search.state)
    rows = parked.listed(reader, chosen, state=search.state, below=search.below, limit=search.limit)
    return ParkedPage(total(groups), groups, rows)


@router.get("/parked/{number}")
def parked_one(request: Request, viewer: ApiLooking, number: Number) -> ParkedDetail:
    """Return one parked command with its body."""
    del viewer
    return _there(parked.one(state_of(request).reader, number), f"no parked command has the number {number}")


@router.get("/audit")
def acts(
    request: Request,
    viewer: ApiLooking,
    asked: Annotated[ActsAsked, Query()],
) -> list[Act]:
    """Return what people did, newest first."""
    del viewer
    return audit.newest(state_of(request).reader, **asked.model_dump())


@router.get("/connections")
def connections(request: Request, viewer: ApiLooking) -> Picture:
    """Return who is connected, and who may still write directly."""
    del viewer
    return looking.connections(state_of(request))


@router.post("/holds", status_code=status.HTTP_201_CREATED)
def hold(request: Request, viewer: ApiOperating, asked: HoldAsked) -> dict[str, Any]:
    """Place a hold."""
    state = state_of(request)
    target = str(find(state.reader, [asked.target]))
    return state.operate(Hold(target=target, until=asked.until, by=viewer.user.name, reason=asked.reason))


@router.post("/releases", status_code=status.HTTP_201_CREATED)
def release(request: Request, viewer: ApiOperating, asked: ReleaseAsked) -> dict[str, Any]:
    """End a hold."""
    return state_of(request).operate(Release(target=asked.target, by=viewer.user.name, reason=asked.reason))


@router.get("/drain")
async def drain(
    request: Request,
    viewer: ApiLooking,
    target: str,
    seconds: Annotated[float, Query(ge=0, le=MOST_DRAIN_SECONDS)] = 20,
) -> Drained:
    """Wait until what was accepted for a target until now is decided, but no longer than that; tell what is left."""
    del viewer
    state, deadline = state_of(request), time.monotonic() + seconds
    look = await run_in_threadpool(drain_look, state.reader, state.settings, target)
    while (left := await run_in_threadpool(look)) and time.monotonic() < deadline:
        await asyncio.sleep(DRAIN_SECONDS)
    return Drained(not left, dict(left))


@router.post("/rehearsals", status_code=status.HTTP_201_CREATED)
def rehearse(request: Request, viewer: ApiOperating, asked: SelectionAsked) -> dict[str, Any]:
    """Tell what a replay would do: a writer does it for the first of them, and takes it back."""
    operation, state = DryRun(selection=asked.selection, by=viewer.user.name, reason=asked.reason), state_of(request)
    state.operate(operation)
    return report(state.reader, operation.command_id)


@router.post("/replays", status_code=status.HTTP_202_ACCEPTED)
def replay(request: Request, viewer: ApiOperating, asked: MoveAsked) -> Job:
    """Begin to replay all that fit."""
    return _start(request, "replay", viewer.user.name, asked)


@router.post("/drops", status_code=status.HTTP_202_ACCEPTED)
def drop(request: Request, viewer: ApiOperating, asked: MoveAsked) -> Job:
    """Begin to drop all that fit."""
    return _start(request, "drop", viewer.user.name, asked)


@router.get("/jobs/{id}")
def job(request: Request, viewer: ApiLooking, id: str) -> Job:  # noqa: A002  its name in the address
    """Tell how far a replay or drop is."""
    del viewer
    return _there(state_of(request).jobs.find(id), "nothing is known of it here: what was done is in the audit")


@router.post("/parked/{number}/edits", status_code=status.HTTP_201_CREATED)
def edit(request: Request, viewer: ApiOperating, number: Number, asked: EditAsked) -> dict[str, Any]:
    """Give a parked command other fields."""
    fields = json.dumps(asked.fields, ensure_ascii=False)
    operation = Edit(number=number, fields=fields, was=asked.was, by=viewer.user.name, reason=asked.reason)
    return state_of(request).operate(operation)


def _start(request: Request, action: Action, by: str, asked: SelectionAsked) -> Job:
    state = state_of(request)
    groups = parked.groups(state.reader, asked.selection)
    return state.jobs.start(action, by, asked.reason, asked.selection, total(groups), highest(groups))


T = TypeVar("T")


def _there(found: T | None, otherwise: str) -> T:
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, otherwise)
    return found
