"""Fixtures for the tests of services that publish. pytest finds them by itself where this package is installed.

Apart from :mod:`writegate.testing`, because pytest imports this one in every run, whether or not a test wants it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from writegate import Service
    from writegate.testing import MemoryBroker


@pytest.fixture
def writegate_services() -> Sequence[Service]:
    """The services whose queues ``writegate_broker`` has. To be defined by whoever uses it."""
    raise pytest.UsageError(
        "writegate_broker needs to know your services: define in conftest.py a fixture `writegate_services` that "
        "returns them, such as `return [accounts]`"
    )


@pytest.fixture
def writegate_broker(writegate_services: Sequence[Service]) -> Iterator[MemoryBroker]:
    """A broker in memory, to which the publisher of this process publishes for the time of the test."""
    from writegate.publishing.process import replace  # noqa: PLC0415  only for the tests that want it
    from writegate.testing import MemoryBroker  # noqa: PLC0415  the same

    with MemoryBroker(writegate_services) as broker, replace(broker.publisher()):
        yield broker
