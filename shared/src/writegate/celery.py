"""For services that publish with Celery's own producer: ``configure(app)`` and ``task(app, Command)``."""

from writegate.integrations.celery import configure, task

__all__ = ["configure", "task"]
