"""Django: settings, views and addresses in one module (``DJANGO_SETTINGS_MODULE=tests.examples.with_django``)."""

from __future__ import annotations

import json
import os
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from tests.services.trial.contract import Agree, Deposit, trial
from writegate import publish_on_commit
from writegate.integrations.django import live, metrics, ready, receipt, respond

SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = __name__
INSTALLED_APPS = ["writegate.integrations.django"]
MIDDLEWARE: list[str] = []
USE_TZ = True
DATABASES: dict[str, Any] = json.loads(
    os.environ.get("DATABASES", '{"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}')
)
# The environment wins over these.
WRITEGATE: dict[str, Any] = {"PUBLISH_TIMEOUT_SECONDS": 30, "APP_ID": "with-django"}


@require_POST
def deposit(request: HttpRequest, account: str) -> HttpResponse:
    """Answer 202 with the id, or with the receipt when the client prefers to wait."""
    return respond(request, Deposit, account=account)


@require_POST
def agree(request: HttpRequest, account: str) -> HttpResponse:
    """One that the service may decline: 409 then."""
    return respond(request, Agree, account=account)


@require_POST
def bonus(_: HttpRequest, account: str) -> HttpResponse:
    """A view with a local transaction: it publishes when that is committed."""
    command = Deposit(account=account, seq=0, amount=10)
    with transaction.atomic():
        publish_on_commit(command)
    return JsonResponse({"id": command.command_id})


urlpatterns = [
    path("accounts/<str:account>/deposits", deposit),
    path("accounts/<str:account>/agreements", agree),
    path("accounts/<str:account>/bonus", bonus),
    path("receipts/<str:command_id>", receipt, {"service": trial.name}),
    path("livez", live),
    path("readyz", ready),
    path("metrics", metrics),
]
