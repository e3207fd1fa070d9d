"""Celery as its documentation advises: an application, two kinds of workers, a publisher."""
