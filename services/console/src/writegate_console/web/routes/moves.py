"""The pages to replay, park and drop by: each shows what will happen to how many commands, and does it then."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, status
from fastapi.responses import HTMLResponse, Response

from writegate.errors import WritegateError
from writegate_console.gate.audit import dry_run_report
from writegate_console.gate.kept.actions import DRY_RUNS, OPERATIONS, TABLES, Action, KeptName
from writegate_console.gate.kept.search import count_groups
from writegate_console.gate.reader import Reader
from writegate_console.web.security.identity import PageOperator, Viewer
from writegate_console.web.state.shared import place_of, shared_state
from writegate_console.web.views import effects
from writegate_console.web.views.filters import filters_in_query, movable_selection
from writegate_console.web.views.forms import Form, OperatorForm, SentOperatorForm, problem_of
from writegate_console.web.views.rendering import page, see_other

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/act/{name}/{action}")
def confirm(request: Request, viewer: PageOperator, name: KeptName, action: Action) -> Response:
    """Ask for confirmation."""
    return _confirm(request, viewer, name, action, request.url.query)


@router.post("/act/{name}/dry-run")
def dry_run(request: Request, form: SentOperatorForm, name: KeptName) -> Response:
    """Show what a replay would do: a writer applies the first commands and rolls back."""
    state, query = shared_state(request), form.raw("query")
    reason = form.text("reason") or "preview"
    try:
        selection = movable_selection(filters_in_query(name, query))
        operation = DRY_RUNS[name](selection=selection, by=form.by.user.name, reason=reason)
        state.operate(operation)
        preview = dry_run_report(place_of(request).reader, operation.command_id)
    except (WritegateError, ValueError) as error:
        return _confirm(request, form.by, name, "replay", query, problem=problem_of(error), form=form)
    return _confirm(request, form.by, name, "replay", query, preview=preview, form=form)


@router.post("/act/{name}/{action}")
def act(request: Request, form: SentOperatorForm, name: KeptName, action: Action) -> Response:
    """Begin to replay, park or drop all that match."""
    state, query = shared_state(request), form.raw("query")
    try:
        selection = movable_selection(filters_in_query(name, query))
        reason = form.text("reason")
        if not reason:
            raise ValueError("give a reason, for the audit")  # noqa: TRY301  as wrong as any other field
        total, up_to = _confirmed_numbers(form) or _numbers_of_now(place_of(request).reader, name, query)
        _check_possible(name, action)
        started = state.jobs.start(name, action, form.by.user.name, reason, selection, total, up_to)
    except (WritegateError, ValueError) as error:
        return _confirm(request, form.by, name, action, query, problem=problem_of(error), form=form)
    return see_other(f"/jobs/{started.id}")


@router.get("/jobs/{id_}")
def job(request: Request, viewer: PageOperator, id_: str) -> HTMLResponse:
    """Show how far an action is."""
    found = shared_state(request).jobs.find(id_)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "this job is not known here: see the audit for what was done")
    return page(request, "job.html", viewer, job=found)


def _check_possible(name: KeptName, action: Action) -> None:
    if action not in OPERATIONS[name]:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no action {action!r} on {name} commands")


def _confirm(  # noqa: PLR0913  the page, and what it shows again after a problem or a preview
    request: Request,
    viewer: Viewer,
    name: KeptName,
    action: Action,
    query: str,
    *,
    problem: str | None = None,
    preview: dict[str, Any] | None = None,
    form: Form | None = None,
) -> HTMLResponse:
    _check_possible(name, action)
    filters, groups = filters_in_query(name, query), []
    try:
        groups = count_groups(place_of(request).reader, TABLES[name], movable_selection(filters))
    except ValueError as error:
        problem = problem or str(error)
    context = {
        "name": name,
        "action": action,
        "query": query,
        "filters": filters,
        "groups": groups,
        "total": effects.total(groups),
        "effects": effects.of_move(name, action, groups),
        "up_to": effects.highest(groups),
        "problem": problem,
        "preview": preview,
        "typed": form or Form({}),
    }
    return page(request, "move.html", viewer, 409 if problem else 200, **context)


def _confirmed_numbers(form: OperatorForm) -> tuple[int, int] | None:
    """Return how many commands the page showed and their highest number; None when the form does not say."""
    total, up_to = form.text("total"), form.text("up_to")
    return (int(total), int(up_to)) if total and up_to else None


def _numbers_of_now(reader: Reader, name: KeptName, query: str) -> tuple[int, int]:
    groups = count_groups(reader, TABLES[name], movable_selection(filters_in_query(name, query)))
    return effects.total(groups), effects.highest(groups)
