"""Django's settings. The service stores nothing itself: no database, no sessions, no users; writes go to the gate."""

from __future__ import annotations

import secrets

# Django requires a key; nothing that outlives the process is signed with it.
SECRET_KEY = secrets.token_hex(32)
DEBUG = False
# Any host name is accepted: nothing here makes links from it.
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "fleet.urls"
DATABASES: dict[str, object] = {}
INSTALLED_APPS = ["writegate.integrations.django"]
MIDDLEWARE: list[str] = []
USE_TZ = True
