"""From data to HTML. All that is shown goes through a template that escapes it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from writegate_console.web.security.identity import Viewer
from writegate_console.web.state.state import state_of
from writegate_console.web.views import format as shown

STATIC = Path(__file__).parents[1] / "static"
_TEMPLATES = Path(__file__).parents[1] / "templates"


def _digest() -> str:
    """Return a word that changes with the files: browsers keep them for as long as it stays."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


# What was done, after the page on which it was confirmed. In words of ours only: an address is anybody's.
_TOLD = {
    "held": "The hold is placed. Every writer obeys within two seconds.",
    "released": "The hold is over. What waited for it is applied, in order.",
    "edited": "The command was edited. It is still parked: replay it when it is right.",
}


def environment() -> Environment:
    """Return what renders templates: a name that is missing is an error, and everything is escaped."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("number", "duration", "milliseconds", "moment", "clock", "ago", "pretty", "plain")
    made.filters.update({name: getattr(shown, name) for name in names})
    made.filters["segment"] = lambda value: quote(str(value), safe="")
    made.globals["version"] = _digest()
    return made


ENVIRONMENT = environment()


def page(
    request: Request, template: str, viewer: Viewer | None, /, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """Render a page. Its frame shows who looks, and what of the gate is away."""
    common = {
        "viewer": viewer,
        "path": request.url.path,
        "seen": state_of(request).live.newest() if viewer else None,
        "told": _TOLD.get(request.query_params.get("told", "")),
    }
    text = ENVIRONMENT.get_template(template).render({**common, **context})
    return HTMLResponse(text, status_code)


def part(template: str, **context: Any) -> str:
    """Render a part of a page, such as one that is sent again when it changed."""
    return ENVIRONMENT.get_template(template).render(context)
