"""The part of the API that acts: each call sends an operation, or begins a job that sends many."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, status

from writegate.contract.json_values import read_json, show_json
from writegate.contract.operations import Edit, Hold, Release, TakeOut
from writegate_console.gate.audit import dry_run_report
from writegate_console.gate.kept.actions import DRY_RUNS, TABLES, Action, KeptName
from writegate_console.gate.kept.search import count_groups
from writegate_console.gate.targets import find_target
from writegate_console.web.routes.api.models import (
    PROBLEMS,
    DryRunRequest,
    EditRequest,
    HoldRequest,
    MoveRequest,
    Number,
    ReleaseRequest,
    RemovalRequest,
)
from writegate_console.web.security.identity import ApiOperator, OperatorsRoute
from writegate_console.web.state.jobs import Job
from writegate_console.web.state.shared import place_of, shared_state
from writegate_console.web.views.effects import highest, total

router = APIRouter(prefix="/api/v1", responses=PROBLEMS, route_class=OperatorsRoute)


@router.post("/holds", status_code=status.HTTP_201_CREATED)
def hold(request: Request, viewer: ApiOperator, asked: HoldRequest) -> dict[str, Any]:
    """Place a hold."""
    state = shared_state(request)
    target = str(find_target(place_of(request).reader, [asked.target]))
    return state.operate(Hold(target=target, until=asked.until, by=viewer.user.name, reason=asked.reason))


@router.post("/releases", status_code=status.HTTP_201_CREATED)
def release(request: Request, viewer: ApiOperator, asked: ReleaseRequest) -> dict[str, Any]:
    """Release a hold."""
    return shared_state(request).operate(Release(target=asked.target, by=viewer.user.name, reason=asked.reason))


@router.post("/rehearsals", status_code=status.HTTP_201_CREATED)
def dry_run(request: Request, viewer: ApiOperator, asked: DryRunRequest) -> dict[str, Any]:
    """Return what a replay of parked commands would do: a writer applies the first ones and rolls back."""
    return _dry_run(request, "parked", viewer.user.name, asked)


@router.post("/replays", status_code=status.HTTP_202_ACCEPTED)
def replay(request: Request, viewer: ApiOperator, asked: MoveRequest) -> Job:
    """Begin to replay all parked commands that match."""
    return _start_job(request, "parked", "replay", viewer.user.name, asked)


@router.post("/drops", status_code=status.HTTP_202_ACCEPTED)
def drop(request: Request, viewer: ApiOperator, asked: MoveRequest) -> Job:
    """Begin to drop all parked commands that match."""
    return _start_job(request, "parked", "drop", viewer.user.name, asked)


@router.post("/deferred/rehearsals", status_code=status.HTTP_201_CREATED)
def dry_run_deferred(request: Request, viewer: ApiOperator, asked: DryRunRequest) -> dict[str, Any]:
    """Return what trying deferred commands would do: a writer applies the first ones and rolls back."""
    return _dry_run(request, "deferred", viewer.user.name, asked)


@router.post("/deferred/replays", status_code=status.HTTP_202_ACCEPTED)
def replay_deferred(request: Request, viewer: ApiOperator, asked: MoveRequest) -> Job:
    """Begin to have all deferred commands tried that match, each behind what of its key was deferred before it."""
    return _start_job(request, "deferred", "replay", viewer.user.name, asked)


@router.post("/deferred/parkings", status_code=status.HTTP_202_ACCEPTED)
def park_deferred(request: Request, viewer: ApiOperator, asked: MoveRequest) -> Job:
    """Begin to park all deferred commands that match."""
    return _start_job(request, "deferred", "park", viewer.user.name, asked)


@router.post("/deferred/drops", status_code=status.HTTP_202_ACCEPTED)
def drop_deferred(request: Request, viewer: ApiOperator, asked: MoveRequest) -> Job:
    """Begin to drop all deferred commands that match."""
    return _start_job(request, "deferred", "drop", viewer.user.name, asked)


async def _as_sent(request: Request) -> Any:
    """Return the request's body with all digits of its numbers. Raises 422 for numbers that no float can hold."""
    try:
        return read_json(await request.body())
    except (ValueError, RecursionError) as error:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, str(error)) from error


@router.post("/parked/{number}/edits", status_code=status.HTTP_201_CREATED)
def edit(
    request: Request, viewer: ApiOperator, number: Number, asked: EditRequest, sent: Annotated[Any, Depends(_as_sent)]
) -> dict[str, Any]:
    """Give a parked command other fields."""
    fields = show_json(sent["fields"])  # `asked` has its numbers as floats
    operation = Edit(number=number, fields=fields, was=asked.was, by=viewer.user.name, reason=asked.reason)
    return shared_state(request).operate(operation)


@router.post("/removals", status_code=status.HTTP_201_CREATED)
def take_out(request: Request, viewer: ApiOperator, asked: RemovalRequest) -> dict[str, Any]:
    """Park or drop one command before a writer applies it: in a lane, on its way, or deferred."""
    operation = TakeOut(service=asked.service, id=asked.id, drop=asked.drop, by=viewer.user.name, reason=asked.reason)
    return shared_state(request).operate(operation)


def _dry_run(request: Request, name: KeptName, by: str, asked: DryRunRequest) -> dict[str, Any]:
    operation = DRY_RUNS[name](selection=asked.selection.as_sent(), by=by, reason=asked.reason)
    state = shared_state(request)
    state.operate(operation)
    return dry_run_report(place_of(request).reader, operation.command_id)


def _start_job(request: Request, name: KeptName, action: Action, by: str, asked: MoveRequest) -> Job:
    state = shared_state(request)
    selection = asked.selection.as_sent()
    groups = count_groups(place_of(request).reader, TABLES[name], selection)
    return state.jobs.start(name, action, by, asked.reason, selection, total(groups), highest(groups))
