"""The application for an ASGI server, set up by the environment: ``uvicorn writegate_console.page.app:app``."""

from __future__ import annotations

import sys

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.operate import Operator
from writegate_console.page.application import application

__all__ = ["app"]

try:
    _settings = Settings.load(need=("database_url", "broker_url"))
    app = application(_settings, Operator(_settings).operate)
except WritegateError as error:
    sys.exit(f"console: {error}")
