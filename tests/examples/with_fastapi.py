"""FastAPI: commands are posted, and a route that publishes a command of its own."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from tests.services.trial.contract import Agree, Deposit, trial
from writegate.integrations.fastapi import PublisherDep, exception_handlers, lifespan, respond, router, takes

app = FastAPI(lifespan=lifespan, exception_handlers=exception_handlers)
app.include_router(router(trial))


@app.post("/accounts/{account}/deposits", **takes(Deposit))
async def deposit(request: Request, account: str) -> Response:
    """Answer 202 with the id, or with the receipt when the client prefers to wait."""
    return await respond(request, Deposit, account=account)


@app.post("/accounts/{account}/agreements", **takes(Agree))
async def agree(request: Request, account: str) -> Response:
    """One that the service may decline: 409 then."""
    return await respond(request, Agree, account=account)


@app.post("/accounts/{account}/bonus")
async def bonus(account: str, publisher: PublisherDep) -> dict[str, str]:
    """A route whose command is not the request's body."""
    accepted = await publisher.apublish(Deposit(account=account, seq=0, amount=10))
    return {"id": accepted.command_id}
