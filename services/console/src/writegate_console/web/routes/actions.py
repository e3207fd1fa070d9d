"""The pages to act by: each says what will happen to how many, and happens only when that is confirmed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from fastapi import APIRouter, HTTPException, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from writegate.contract.operations import DryRun, Edit, Hold, Release
from writegate.errors import WritegateError
from writegate_console.gate.parked import search as parked
from writegate_console.gate.parked.queries import report
from writegate_console.gate.targets import find
from writegate_console.web.security.identity import Operating, Viewer
from writegate_console.web.state.jobs import Action
from writegate_console.web.state.state import state_of
from writegate_console.web.views import effects
from writegate_console.web.views import models as looking
from writegate_console.web.views.actions import edited, held_until, problem_of, selected_for
from writegate_console.web.views.forms import Form, OperatorsForm, filters_in
from writegate_console.web.views.rendering import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

OnTarget = Literal["hold", "release"]


@router.get("/act/{action}")
def confirm(request: Request, viewer: Operating, action: str, target: str = "") -> Response:
    """Ask whether to do it."""
    if action in get_args(OnTarget):
        return _confirm_target(request, viewer, action, target.strip(), {})
    if action in get_args(Action):
        return _confirm_parked(request, viewer, action, request.url.query, {})
    raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no action {action!r}")


@router.post("/act/hold")
def hold(request: Request, form: OperatorsForm) -> Response:
    """Place a hold."""
    by, target = _by(form), form.text("target")
    try:
        until = held_until(form.text("for"), datetime.now(UTC))
        found = str(find(state_of(request).reader, [target]))  # so that a schema may be left out
        state_of(request).operate(Hold(target=found, until=until, by=by.user.name, reason=form.text("reason")))
    except (WritegateError, ValueError) as error:
        return _confirm_target(request, by, "hold", target, {"problem": problem_of(error), "form": form})
    return _done("/?told=held")


@router.post("/act/release")
def release(request: Request, form: OperatorsForm) -> Response:
    """End a hold."""
    by, target = _by(form), form.text("target")
    try:
        state_of(request).operate(Release(target=target, by=by.user.name, reason=form.text("reason")))
    except (WritegateError, ValueError) as error:
        return _confirm_target(request, by, "release", target, {"problem": problem_of(error), "form": form})
    return _done("/?told=released")


@router.post("/act/rehearse")
def rehearse(request: Request, form: OperatorsForm) -> Response:
    """Show what a replay would do: a writer does it, and takes it back."""
    by, query = _by(form), form.raw("query")
    reason = form.text("reason") or "preview"
    try:
        wanted = DryRun(selection=selected_for(filters_in(query)), by=by.user.name, reason=reason)
        state_of(request).operate(wanted)
        preview = report(state_of(request).reader, wanted.command_id)
    except (WritegateError, ValueError) as error:
        return _confirm_parked(request, by, "replay", query, {"problem": problem_of(error), "form": form})
    return _confirm_parked(request, by, "replay", query, {"preview": preview, "form": form})


@router.post("/act/replay")
def replay(request: Request, form: OperatorsForm) -> Response:
    """Replay all that fits."""
    return _start(request, form, "replay")


@router.post("/act/drop")
def drop(request: Request, form: OperatorsForm) -> Response:
    """Drop all that fits."""
    return _start(request, form, "drop")


@router.get("/jobs/{id_}")
def job(request: Request, viewer: Operating, id_: str) -> HTMLResponse:
    """How far an action on many is."""
    found = state_of(request).jobs.find(id_)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "nothing is known of it here: what was done is in the audit")
    return page(request, "job.html", viewer, job=found)


@router.post("/act/edit/{number}")
def edit(request: Request, form: OperatorsForm, number: int) -> Response:
    """Show what an edit would change; do it once that is confirmed."""
    by, state = _by(form), state_of(request)
    command = parked.one(state.reader, number)
    if command is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no parked command has the number {number}")
    context: dict[str, Any] = {"command": command, "typed": form.raw("fields"), "reason": form.text("reason")}
    try:
        changes = edited(command.fields or {}, form.raw("fields"))
        if form.text("confirmed") != "yes":
            return page(request, "edit.html", by, changes=changes, was=form.text("was"), **context)
        fields = json.dumps(json.loads(form.raw("fields")), ensure_ascii=False)
        operation = Edit(
            number=number, fields=fields, was=form.text("was"), by=by.user.name, reason=form.text("reason")
        )
        state.operate(operation)
    except (WritegateError, ValueError) as error:
        return page(request, "parked_one.html", by, 409, problem=problem_of(error), **context)
    return _done(f"/parked/{number}?told=edited")


def _confirm_target(
    request: Request, viewer: Viewer, action: OnTarget | str, target: str, more: Mapping[str, Any]
) -> HTMLResponse:
    state = state_of(request)
    _, overview = looking.present(state)
    problem, found = more.get("problem"), target
    told: list[str] = []
    hold_ = next((row for row in overview.holds if row["target"] == target), None)
    try:
        if action == "release" and target:
            told = effects.of_release(hold_, overview.headline.deferred) if hold_ else []
            problem = problem or (None if hold_ else f"there is no hold on {target}")
        elif target:
            aim = find(state.reader, [target])
            found, told = str(aim), effects.of_hold(aim, overview.services, looking.domains(state))
    except WritegateError as error:
        problem = str(error)
    context: dict[str, Any] = {
        "target": found,
        "effects": told,
        "holds": overview.holds,
        "problem": problem,
        "typed": more.get("form") or Form({}),
    }
    return page(request, f"{action}.html", viewer, 409 if problem else 200, **context)


def _confirm_parked(
    request: Request, viewer: Viewer, action: Action | str, query: str, more: Mapping[str, Any]
) -> HTMLResponse:
    state = state_of(request)
    filters, groups, problem = filters_in(query), [], more.get("problem")
    try:
        groups = parked.groups(state.reader, selected_for(filters))
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
        "preview": more.get("preview"),
        "typed": more.get("form") or Form({}),
    }
    return page(request, "on_parked.html", viewer, 409 if context["problem"] else 200, **context)


def _start(request: Request, form: Form, action: Action) -> Response:
    by, state, query = _by(form), state_of(request), form.raw("query")
    try:
        selection = selected_for(filters_in(query))
        reason = form.text("reason")
        if not reason:
            raise ValueError("say why, for the audit")  # noqa: TRY301
        total, up_to = _confirmed(form) or _now(parked.groups(state.reader, selection))
        started = state.jobs.start(action, by.user.name, reason, selection, total, up_to)
    except (WritegateError, ValueError) as error:
        return _confirm_parked(request, by, action, query, {"problem": problem_of(error), "form": form})
    return _done(f"/jobs/{started.id}")


def _confirmed(form: Form) -> tuple[int, int] | None:
    """Return how many were shown when it was confirmed, and the highest number among them; None when none were."""
    shown = form.text("total"), form.text("up_to")
    return (int(shown[0]), int(shown[1])) if all(shown) else None


def _now(groups: Sequence[parked.Group]) -> tuple[int, int]:
    return effects.total(groups), effects.highest(groups)


def _by(form: Form) -> Viewer:
    assert form.by is not None  # noqa: S101  the dependency has asked for it
    return form.by


def _done(path: str) -> RedirectResponse:
    return RedirectResponse(path, status.HTTP_303_SEE_OTHER)
