"""Whether the process lives, and what it reaches. It is ready without a database: it says that there is none."""

from __future__ import annotations

from fastapi import APIRouter, Request

from writegate_console.web.state.state import state_of

router = APIRouter(include_in_schema=False)


@router.get("/livez")
def livez() -> dict[str, bool]:
    """Touch nothing."""
    return {"live": True}


@router.get("/readyz")
def readyz(request: Request) -> dict[str, bool]:
    """Say what the last look found."""
    seen = state_of(request).live.newest()
    return {"ready": True, "database": seen.overview is not None and seen.database is None, "broker": not seen.broker}
