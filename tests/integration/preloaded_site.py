"""The application of :mod:`test_publishers_lives` for gunicorn: each request publishes one command and says how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import writegate
from tests.sample import Deposit


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Publish a deposit to the account that the query names; answer with its id."""
    [account] = parse_qs(environ["QUERY_STRING"])["account"]
    accepted = writegate.publish(Deposit(account=account, amount=1))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{accepted.accepted_by} {accepted.command_id}".encode()]
