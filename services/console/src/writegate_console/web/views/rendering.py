"""From data to HTML. All that is shown goes through a template that escapes it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, status
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from writegate_console.gate.audit import shown_action, shown_outcome
from writegate_console.gate.kept.actions import OPERATIONS
from writegate_console.web.security.identity import Viewer
from writegate_console.web.state.shared import shared_state
from writegate_console.web.views import format as formats

STATIC = Path(__file__).parents[1] / "static"
_TEMPLATES = Path(__file__).parents[1] / "templates"
_FILTERS = {
    "number": formats.format_number,
    "duration": formats.format_duration,
    "milliseconds": formats.format_milliseconds,
    "moment": formats.format_time,
    "clock": formats.format_clock,
    "ago": formats.format_age,
    "pretty": formats.format_json,
    "plain": formats.format_value,
    "action": shown_action,
    "outcome": shown_outcome,
    "segment": lambda value: quote(str(value), safe=""),
}

# Shown after an action, by a word in the address. Only these texts: anybody can write an address.
_NOTICES = {
    "held": "The hold is placed. Every writer obeys within two seconds.",
    "released": "The hold is released. Commands that waited for it are applied, in order.",
    "edited": "The command was edited. It is still parked: replay it when it is right.",
}


def environment() -> Environment:
    """Return what renders templates: an unknown name is an error, and every value is escaped."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(_FILTERS)
    made.globals["version"] = _static_digest()
    made.globals["actions_on"] = {name: list(actions) for name, actions in OPERATIONS.items()}
    return made


def _static_digest() -> str:
    """Return a digest of the static files, which is part of their addresses: browsers keep each version for good."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


ENVIRONMENT = environment()


def page(
    request: Request, template: str, viewer: Viewer | None, /, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """Render a page. Its frame shows who is logged in, and whether database and broker answer."""
    common = {
        "viewer": viewer,
        "path": request.url.path,
        "snapshot": shared_state(request).live.latest() if viewer else None,
        "notice": _NOTICES.get(request.query_params.get("notice", "")),
    }
    text = ENVIRONMENT.get_template(template).render({**common, **context})
    return HTMLResponse(text, status_code)


def see_other(path: str) -> RedirectResponse:
    """Send a browser to another page after an action, so that reloading does not repeat the action."""
    return RedirectResponse(path, status.HTTP_303_SEE_OTHER)


def part(template: str, **context: Any) -> str:
    """Render a part of a page, such as one that is sent again when it has changed."""
    return ENVIRONMENT.get_template(template).render(context)
