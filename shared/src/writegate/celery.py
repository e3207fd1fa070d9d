"""For services that publish with Celery's own producer: ``configure(app, services=…)`` and ``task(app, Command)``.

The public names of :mod:`writegate.integrations.celery`, where they are described.
"""

from writegate.integrations.celery import configure, task

__all__ = ["configure", "task"]
