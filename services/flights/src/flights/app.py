"""The HTTP service, for an ASGI server: ``uvicorn flights.app:app``."""

from __future__ import annotations

import sys

from flights.http import app
from writegate.config import Settings
from writegate.errors import SettingsError
from writegate.publishing.process import configure

__all__ = ["app"]

try:
    configure(settings=Settings.load(need=("broker_url",)))
except SettingsError as error:
    sys.exit(f"flights: {error}")
