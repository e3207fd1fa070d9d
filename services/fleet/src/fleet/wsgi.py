"""The HTTP service, for a WSGI server: ``gunicorn fleet.wsgi:application``.

Loaded in each worker process, after the fork: a publisher belongs to one process.
"""

from __future__ import annotations

import os
import sys

from django.core.wsgi import get_wsgi_application

from writegate import publisher
from writegate.errors import WritegateError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")

application = get_wsgi_application()

try:
    publisher()
except WritegateError as error:
    sys.exit(f"fleet: {error}")
