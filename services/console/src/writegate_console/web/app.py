"""The application for an ASGI server, with the settings of the environment.

``writegate console`` runs it. Another server must not read client addresses from headers (``uvicorn
--no-proxy-headers``): the application itself decides which proxies are trusted. It needs time limits for half-sent
requests, as :mod:`writegate.integrations.uvicorn` has them.
"""

from __future__ import annotations

import sys

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.operate import Operator
from writegate_console.web.application import application

__all__ = ["app"]

try:
    _settings = Settings.load(need=("database_url", "broker_url"))
    app = application(_settings, Operator(_settings).operate)
except WritegateError as error:
    sys.exit(f"console: {error}")
