"""The pages to hold, release and edit by: each shows what will happen, and does it when that is confirmed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, get_args

from fastapi import APIRouter, HTTPException, Request, status
from fastapi.responses import HTMLResponse, Response

from writegate.contract.json_values import read_json, show_json
from writegate.contract.operations import Edit, Hold, Release
from writegate.errors import WritegateError
from writegate_console.gate.declared import domain_tables
from writegate_console.gate.durations import time_after
from writegate_console.gate.holds import holds_in_force
from writegate_console.gate.kept.search import ParkedDetail, detail
from writegate_console.gate.targets import find_target
from writegate_console.web.security.identity import PageOperator, Viewer
from writegate_console.web.state.shared import place_of, shared_state
from writegate_console.web.views import effects
from writegate_console.web.views.edits import field_changes
from writegate_console.web.views.forms import Form, SentOperatorForm, problem_of
from writegate_console.web.views.models import current_overview
from writegate_console.web.views.rendering import page, see_other

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

HoldAction = Literal["hold", "release"]


@router.get("/act/{action}")
def confirm(request: Request, viewer: PageOperator, action: str, target: str = "") -> Response:
    """Ask for confirmation."""
    if action not in get_args(HoldAction):
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no action {action!r}")
    return _confirm_hold(request, viewer, action, target.strip())


@router.post("/act/hold")
def hold(request: Request, form: SentOperatorForm) -> Response:
    """Place a hold."""
    state, target = shared_state(request), form.text("target")
    try:
        until = time_after(datetime.now(UTC), form.text("for"))
        found = str(find_target(place_of(request).reader, [target]))  # the full name, when the schema was left out
        state.operate(Hold(target=found, until=until, by=form.by.user.name, reason=form.text("reason")))
    except (WritegateError, ValueError) as error:
        return _confirm_hold(request, form.by, "hold", target, problem=problem_of(error), form=form)
    return see_other("/?notice=held")


@router.post("/act/release")
def release(request: Request, form: SentOperatorForm) -> Response:
    """Release a hold."""
    target = form.text("target")
    try:
        operation = Release(target=target, by=form.by.user.name, reason=form.text("reason"))
        shared_state(request).operate(operation)
    except (WritegateError, ValueError) as error:
        return _confirm_hold(request, form.by, "release", target, problem=problem_of(error), form=form)
    return see_other("/?notice=released")


@router.post("/act/edit/{number}")
def edit(request: Request, form: SentOperatorForm, number: int) -> Response:
    """Show what an edit would change; do it once that is confirmed."""
    state = shared_state(request)
    command = detail(place_of(request).reader, ParkedDetail, number)
    if command is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no parked command has the number {number}")
    text, was, reason = form.raw("fields"), form.text("was"), form.text("reason")
    context: dict[str, Any] = {"command": command, "typed": text, "reason": reason}
    try:
        changes = field_changes(command.fields or {}, text)
        if form.text("confirmed") != "yes":
            return page(request, "edit.html", form.by, changes=changes, was=was, **context)
        fields = show_json(read_json(text))
        state.operate(Edit(number=number, fields=fields, was=was, by=form.by.user.name, reason=reason))
    except (WritegateError, ValueError) as error:
        return page(request, "kept_command.html", form.by, 409, name="parked", problem=problem_of(error), **context)
    return see_other(f"/parked/{number}?notice=edited")


def _confirm_hold(  # noqa: PLR0913  the page, and what it shows again after a problem
    request: Request,
    viewer: Viewer,
    action: HoldAction | str,
    target: str,
    *,
    problem: str | None = None,
    form: Form | None = None,
) -> HTMLResponse:
    _, overview = current_overview(shared_state(request))
    holds, found, lines = overview.holds, target, list[str]()
    try:
        reader = place_of(request).reader
        if action == "release" and target:
            holds = holds_in_force(reader)  # now: the overview does not have one that has just been placed
            placed = next((row for row in holds if row["target"] == target), None)
            if placed is not None:
                lines = effects.of_release(placed, overview.headline.deferred)
            else:
                problem = problem or f"there is no hold on {target}"
        elif target:
            parsed = find_target(reader, [target])
            found, lines = str(parsed), effects.of_hold(parsed, overview.services, domain_tables(reader))
    except WritegateError as error:
        problem = str(error)
    context: dict[str, Any] = {
        "target": found,
        "effects": lines,
        "holds": holds,
        "problem": problem,
        "typed": form or Form({}),
    }
    return page(request, f"{action}.html", viewer, 409 if problem else 200, **context)
