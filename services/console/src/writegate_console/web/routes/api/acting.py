"""The part of the API that acts: each call sends an operation, or begins a job that sends many."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, status

from writegate.contract.json_values import read_json, show_json
from writegate.contract.operations import DryRun, Edit, Hold, Release
from writegate_console.gate.audit import dry_run_report
from writegate_console.gate.parked.search import count_groups
from writegate_console.gate.targets import find_target
from writegate_console.web.routes.api.models import (
    PROBLEMS,
    DryRunRequest,
    EditRequest,
    HoldRequest,
    MoveRequest,
    Number,
    ReleaseRequest,
)
from writegate_console.web.security.identity import ApiOperator
from writegate_console.web.state.jobs import Job, JobAction
from writegate_console.web.state.shared import shared_state
from writegate_console.web.views.effects import highest, total

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)


@router.post("/holds", status_code=status.HTTP_201_CREATED)
def hold(request: Request, viewer: ApiOperator, asked: HoldRequest) -> dict[str, Any]:
    """Place a hold."""
    state = shared_state(request)
    target = str(find_target(state.reader, [asked.target]))
    return state.operate(Hold(target=target, until=asked.until, by=viewer.user.name, reason=asked.reason))


@router.post("/releases", status_code=status.HTTP_201_CREATED)
def release(request: Request, viewer: ApiOperator, asked: ReleaseRequest) -> dict[str, Any]:
    """Release a hold."""
    return shared_state(request).operate(Release(target=asked.target, by=viewer.user.name, reason=asked.reason))


@router.post("/rehearsals", status_code=status.HTTP_201_CREATED)
def dry_run(request: Request, viewer: ApiOperator, asked: DryRunRequest) -> dict[str, Any]:
    """Return what a replay would do: a writer applies the first commands and rolls back."""
    operation = DryRun(selection=asked.selection.as_sent(), by=viewer.user.name, reason=asked.reason)
    state = shared_state(request)
    state.operate(operation)
    return dry_run_report(state.reader, operation.command_id)


@router.post("/replays", status_code=status.HTTP_202_ACCEPTED)
def replay(request: Request, viewer: ApiOperator, asked: MoveRequest) -> Job:
    """Begin to replay all that match."""
    return _start_job(request, "replay", viewer.user.name, asked)


@router.post("/drops", status_code=status.HTTP_202_ACCEPTED)
def drop(request: Request, viewer: ApiOperator, asked: MoveRequest) -> Job:
    """Begin to drop all that match."""
    return _start_job(request, "drop", viewer.user.name, asked)


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


def _start_job(request: Request, action: JobAction, by: str, asked: MoveRequest) -> Job:
    state = shared_state(request)
    selection = asked.selection.as_sent()
    groups = count_groups(state.reader, selection)
    return state.jobs.start(action, by, asked.reason, selection, total(groups), highest(groups))
