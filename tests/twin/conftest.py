"""Both databases, for every test of the twin."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.servers import Servers
from tests.twin.databases import Databases, databases


@pytest.fixture(autouse=True)
def errors_only() -> Iterator[None]:
    """Log nothing of what goes as it should: hypothesis shows all that was logged in hundreds of tries."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module")
def both(servers: Servers) -> Iterator[Databases]:
    with databases(servers) as made:
        yield made
