"""Flask, with an application factory."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response

from tests.services.trial.contract import Agree, Deposit, trial
from writegate import publish
from writegate.integrations.flask import Writegate

gate = Writegate()


def create_app(config: dict[str, Any] | None = None) -> Flask:
    app = Flask(__name__)
    app.config.update(config or {})
    gate.init_app(app)

    @app.post("/accounts/<account>/deposits")
    def deposit(account: str) -> Response:
        """Answer 202 with the id, or with the receipt when the client prefers to wait."""
        return gate.respond(Deposit, account=account)

    @app.post("/accounts/<account>/agreements")
    def agree(account: str) -> Response:
        """One that the service may decline: 409 then."""
        return gate.respond(Agree, account=account)

    @app.post("/accounts/<account>/bonus")
    def bonus(account: str) -> dict[str, str]:
        """A route whose command is not the request's body."""
        return {"id": publish(Deposit(account=account, seq=0, amount=10)).command_id}

    @app.get("/receipts/<command_id>")
    def receipt(command_id: str) -> Response:
        return gate.receipt(trial, command_id)

    app.add_url_rule("/livez", view_func=gate.live)
    app.add_url_rule("/readyz", view_func=gate.ready)
    app.add_url_rule("/metrics", view_func=gate.metrics)
    return app
