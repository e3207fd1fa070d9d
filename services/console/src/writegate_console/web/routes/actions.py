"""The pages to act by: each shows what will happen to how many commands, and does it when that is confirmed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, get_args

from fastapi import APIRouter, HTTPException, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from writegate.contract.json_values import read_json, show_json
from writegate.contract.operations import DryRun, Edit, Hold, Release
from writegate.errors import WritegateError
from writegate_console.gate.audit import dry_run_report
from writegate_console.gate.declared import domain_tables
from writegate_console.gate.durations import time_after
from writegate_console.gate.parked.search import count_groups, parked_detail
from writegate_console.gate.targets import find_target
from writegate_console.web.security.identity import PageOperator, Viewer
from writegate_console.web.state.jobs import JobAction
from writegate_console.web.state.shared import SharedState, shared_state
from writegate_console.web.views import effects
from writegate_console.web.views.edits import field_changes
from writegate_console.web.views.filters import filters_in_query, movable_selection
from writegate_console.web.views.forms import Form, OperatorForm, SentOperatorForm, problem_of
from writegate_console.web.views.models import current_overview
from writegate_console.web.views.rendering import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

HoldAction = Literal["hold", "release"]


@router.get("/act/{action}")
def confirm(request: Request, viewer: PageOperator, action: str, target: str = "") -> Response:
    """Ask for confirmation."""
    if action in get_args(HoldAction):
        return _confirm_hold(request, viewer, action, target.strip())
    if action in get_args(JobAction):
        return _confirm_move(request, viewer, action, request.url.query)
    raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no action {action!r}")


@router.post("/act/hold")
def hold(request: Request, form: SentOperatorForm) -> Response:
    """Place a hold."""
    state, target = shared_state(request), form.text("target")
    try:
        until = time_after(datetime.now(UTC), form.text("for"))
        found = str(find_target(state.reader, [target]))  # the full name, when the schema was left out
        state.operate(Hold(target=found, until=until, by=form.by.user.name, reason=form.text("reason")))
    except (WritegateError, ValueError) as error:
        return _confirm_hold(request, form.by, "hold", target, problem=problem_of(error), form=form)
    return _see_other("/?notice=held")


@router.post("/act/release")
def release(request: Request, form: SentOperatorForm) -> Response:
    """Release a hold."""
    target = form.text("target")
    try:
        operation = Release(target=target, by=form.by.user.name, reason=form.text("reason"))
        shared_state(request).operate(operation)
    except (WritegateError, ValueError) as error:
        return _confirm_hold(request, form.by, "release", target, problem=problem_of(error), form=form)
    return _see_other("/?notice=released")


@router.post("/act/dry-run")
def dry_run(request: Request, form: SentOperatorForm) -> Response:
    """Show what a replay would do: a writer applies the first commands and rolls back."""
    state, query = shared_state(request), form.raw("query")
    reason = form.text("reason") or "preview"
    try:
        selection = movable_selection(filters_in_query(query))
        operation = DryRun(selection=selection, by=form.by.user.name, reason=reason)
        state.operate(operation)
        preview = dry_run_report(state.reader, operation.command_id)
    except (WritegateError, ValueError) as error:
        return _confirm_move(request, form.by, "replay", query, problem=problem_of(error), form=form)
    return _confirm_move(request, form.by, "replay", query, preview=preview, form=form)


@router.post("/act/replay")
def replay(request: Request, form: SentOperatorForm) -> Response:
    """Replay all that match."""
    return _start_job(request, form, "replay")


@router.post("/act/drop")
def drop(request: Request, form: SentOperatorForm) -> Response:
    """Drop all that match."""
    return _start_job(request, form, "drop")


@router.get("/jobs/{id_}")
def job(request: Request, viewer: PageOperator, id_: str) -> HTMLResponse:
    """Show how far a replay or drop is."""
    found = shared_state(request).jobs.find(id_)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "this job is not known here: see the audit for what was done")
    return page(request, "job.html", viewer, job=found)


@router.post("/act/edit/{number}")
def edit(request: Request, form: SentOperatorForm, number: int) -> Response:
    """Show what an edit would change; do it once that is confirmed."""
    state = shared_state(request)
    command = parked_detail(state.reader, number)
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
        return page(request, "parked_command.html", form.by, 409, problem=problem_of(error), **context)
    return _see_other(f"/parked/{number}?notice=edited")


def _confirm_hold(  # noqa: PLR0913  the page, and what it shows again after a problem
    request: Request,
    viewer: Viewer,
    action: HoldAction | str,
    target: str,
    *,
    problem: str | None = None,
    form: Form | None = None,
) -> HTMLResponse:
    state = shared_state(request)
    _, overview = current_overview(state)
    found, lines = target, list[str]()
    try:
        if action == "release" and target:
            placed = next((row for row in overview.holds if row["target"] == target), None)
            if placed is not None:
                lines = effects.of_release(placed, overview.headline.deferred)
            else:
                problem = problem or f"there is no hold on {target}"
        elif target:
            parsed = find_target(state.reader, [target])
            found, lines = str(parsed), effects.of_hold(parsed, overview.services, domain_tables(state.reader))
    except WritegateError as error:
        problem = str(error)
    context: dict[str, Any] = {
        "target": found,
        "effects": lines,
        "holds": overview.holds,
        "problem": problem,
        "typed": form or Form({}),
    }
    return page(request, f"{action}.html", viewer, 409 if problem else 200, **context)


def _confirm_move(  # noqa: PLR0913  the page, and what it shows again after a problem or a preview
    request: Request,
    viewer: Viewer,
    action: JobAction | str,
    query: str,
    *,
    problem: str | None = None,
    preview: dict[str, Any] | None = None,
    form: Form | None = None,
) -> HTMLResponse:
    filters, groups = filters_in_query(query), []
    try:
        groups = count_groups(shared_state(request).reader, movable_selection(filters))
    except ValueError as error:
        problem = problem or str(error)
    context = {
        "action": action,
        "query": query,
        "filters": filters,
        "groups": groups,
        "total": effects.total(groups),
        "effects": effects.of_replay(groups) if action == "replay" else effects.of_drop(groups),
        "up_to": effects.highest(groups),
        "problem": problem,
        "preview": preview,
        "typed": form or Form({}),
    }
    return page(request, "move.html", viewer, 409 if problem else 200, **context)


def _start_job(request: Request, form: OperatorForm, action: JobAction) -> Response:
    state, query = shared_state(request), form.raw("query")
    try:
        selection = movable_selection(filters_in_query(query))
        reason = form.text("reason")
        if not reason:
            raise ValueError("give a reason, for the audit")  # noqa: TRY301  as wrong as any other field
        total, up_to = _confirmed_numbers(form) or _numbers_of_now(state, query)
        started = state.jobs.start(action, form.by.user.name, reason, selection, total, up_to)
    except (WritegateError, ValueError) as error:
        return _confirm_move(request, form.by, action, query, problem=problem_of(error), form=form)
    return _see_other(f"/jobs/{started.id}")


def _confirmed_numbers(form: Form) -> tuple[int, int] | None:
    """Return how many commands the page showed and their highest number; None when the form does not say."""
    total, up_to = form.text("total"), form.text("up_to")
    return (int(total), int(up_to)) if total and up_to else None


def _numbers_of_now(state: SharedState, query: str) -> tuple[int, int]:
    groups = count_groups(state.reader, movable_selection(filters_in_query(query)))
    return effects.total(groups), effects.highest(groups)


def _see_other(path: str) -> RedirectResponse:
    return RedirectResponse(path, status.HTTP_303_SEE_OTHER)
