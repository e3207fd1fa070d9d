"""Whether a program answers. Each probe takes at most a few seconds, and returns False instead of raising."""

from __future__ import annotations

import logging
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPException
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from pika import BlockingConnection, URLParameters
from pika.exceptions import AMQPError

from writegate_devkit.stack import database
from writegate_devkit.stack.environment import ADDRESS, OWNER, environment
from writegate_devkit.stack.home import Home
from writegate_devkit.stack.stack_state import StackState

PROBE_SECONDS = 2.0
POLL_SECONDS = 0.1
# Without the machine's proxy: all requests go to the loopback address.
_open = build_opener(ProxyHandler({})).open


def answers(name: str, home: Home, state: StackState) -> bool:
    """Whether a program serves its clients now."""
    port = state.ports[name]
    if name == "epmd":
        return _listens(port)
    if name == "rabbitmq":
        return _broker(state)
    if name == "postgres":
        probe = [str(database.binaries(home) / "pg_isready"), "--quiet", "--host", ADDRESS, "--port", str(port)]
        return subprocess.run(probe, check=False).returncode == 0
    return _get(f"http://{ADDRESS}:{port}/readyz")


def wait_until(condition: Callable[[], bool], deadline_seconds: float) -> bool:
    """Poll until ``condition`` holds; False when it did not within ``deadline_seconds``."""
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _broker(state: StackState) -> bool:
    """Whether the node takes a login, and its management API sees the node and the virtual host up."""
    if not _listens(state.ports["rabbitmq"]):
        return False
    credentials = b64encode(f"{OWNER}:{state.passwords[OWNER]}".encode()).decode()
    api = f"http://{ADDRESS}:{state.ports['management']}/api"
    if not _get(f"{api}/health/checks/virtual-hosts", {"Authorization": f"Basic {credentials}"}):
        return False
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # a refused attempt is expected here, not an error
    try:
        BlockingConnection(URLParameters(environment("owner", state)["WRITEGATE_BROKER_URL"])).close()
    except (AMQPError, OSError):
        return False
    return True


def _listens(port: int) -> bool:
    try:
        socket.create_connection((ADDRESS, port), PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _get(url: str, headers: dict[str, str] | None = None) -> bool:
    try:
        with _open(Request(url, headers=headers or {}), timeout=PROBE_SECONDS) as response:  # noqa: S310  http, made here
            return bool(response.status == 200)
    except (URLError, HTTPException, OSError):
        return False
