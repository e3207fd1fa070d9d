"""Logging of a writer: one event a line, with details as key=value, through the standard library's handlers."""

from __future__ import annotations

import logging

import structlog


def configure() -> None:
    """Set up structlog. Handlers and level are Celery's; pika's lines about each connection are left out."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logging.getLogger("pika").setLevel(logging.CRITICAL)
