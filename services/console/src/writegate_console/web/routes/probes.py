"""Health checks, on the event loop: they need none of the threads that pages take.

The console is ready without a database: its page says then that the database does not answer.
"""

from __future__ import annotations

from fastapi import APIRouter, Request

from writegate_console.web.state.shared import shared_state

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> dict[str, bool]:
    """Answer without asking anything."""
    return {"live": True}


@router.get("/readyz")
async def readyz(request: Request) -> dict[str, bool]:
    """Return what the newest overview found."""
    snapshot = shared_state(request).live.latest()
    database = snapshot.overview is not None and snapshot.database is None
    return {"ready": True, "database": database, "broker": not snapshot.broker}
