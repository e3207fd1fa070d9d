"""The routes: POST departures and arrivals, GET receipts and health."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from flights.contract import RecordArrival, RecordDeparture, flights
from writegate.integrations.fastapi import lifespan, respond, router, takes

app = FastAPI(title="flights", lifespan=lifespan)
app.include_router(router(flights))


@app.post("/departures", **takes(RecordDeparture))
async def record_departure(request: Request) -> Response:
    """Record that a flight left, or was cancelled."""
    return await respond(request, RecordDeparture)


@app.post("/arrivals", **takes(RecordArrival))
async def record_arrival(request: Request) -> Response:
    """Record that a flight ended, at its destination or diverted."""
    return await respond(request, RecordArrival)
