"""The application of :mod:`test_publishers_lives` for gunicorn: each request publishes one command and says how.

The first requests wait for each other, so that they ask for the publisher of the process at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from tests.deadlines import patient
from tests.sample import Deposit
from writegate import publish  # loads the publisher before the fork, which `import writegate` would not

# Made by the first request: one that is made before gevent's patch would stop the thread.
_barriers: dict[str, threading.Barrier] = {}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Publish a deposit to the account of the query, once ``together`` requests are here; answer with its id."""
    asked = parse_qs(environ["QUERY_STRING"])
    [account], [together] = asked["account"], asked["together"]
    _barriers.setdefault("", threading.Barrier(int(together))).wait(patient(30))
    accepted = publish(Deposit(account=account, amount=1))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{accepted.accepted_by} {accepted.command_id}".encode()]
