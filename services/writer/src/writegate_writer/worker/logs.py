"""How a writer logs: one event a line with its figures as key=value, through the standard library's handlers."""

from __future__ import annotations

import logging

import structlog


def configure() -> None:
    """Set up structlog. Celery owns handlers and level; pika's account of each connection is left out."""
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
