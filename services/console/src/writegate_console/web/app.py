"""The application for an ASGI server, set up by the environment.

``writegate console`` runs it. Another server must be told not to look for addresses in headers (``uvicorn
--no-proxy-headers``): the application itself knows which proxies are to be believed.
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
