"""The configuration of the Django application, which Django runs when it starts."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings

from writegate.publishing import process


class WritegateConfig(AppConfig):
    """Gives Django's settings to the publisher of the process, and registers the checks."""

    name = "writegate.integrations.django"
    label = "writegate"

    def ready(self) -> None:
        """Configure the publisher without connecting: commands such as ``collectstatic`` need no broker."""
        from writegate.integrations.django import checks  # noqa: F401, PLC0415  importing it registers them

        process.configure(defaults=configured(), app_id=_written().get("APP_ID"))


def configured() -> dict[str, Any]:
    """Return the settings in ``WRITEGATE``, without ``APP_ID``."""
    return {name: value for name, value in _written().items() if name != "APP_ID"}


def _written() -> dict[str, Any]:
    return getattr(settings, "WRITEGATE", {})
