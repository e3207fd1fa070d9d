"""The HTTP service, for an ASGI server: ``uvicorn fleet.asgi:application``.

Such a server reads a request before a thread works on it: with threads that read themselves, as a WSGI server has them,
a few requests that are never sent to the end keep all threads.
"""

from __future__ import annotations

import os
import sys

from django.core.asgi import get_asgi_application

from writegate import publisher
from writegate.errors import WritegateError
from writegate.integrations.asgi import LimitedBodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")

application = LimitedBodies(get_asgi_application())

try:
    publisher()
except WritegateError as error:
    sys.exit(f"fleet: {error}")
