"""Fixtures for the tests of services that publish. pytest finds them wherever this package is installed.

Separate from :mod:`writegate.testing`, because pytest imports a plugin in every run, used or not: this module loads
neither the AMQP client nor the broker in memory until a test asks for them.
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
    """The services whose queues ``writegate_broker`` has. Each project defines this fixture itself."""
    raise pytest.UsageError(
        "writegate_broker needs to know your services: define in conftest.py a fixture `writegate_services` that "
        "returns them, such as `return [accounts]`"
    )


@pytest.fixture
def writegate_broker(writegate_services: Sequence[Service]) -> Iterator[MemoryBroker]:
    """A broker in memory. The publisher of this process publishes to it for the duration of the test."""
    from writegate.publishing.process import replace  # noqa: PLC0415  loaded only for tests that use the fixture
    from writegate.testing import MemoryBroker  # noqa: PLC0415  loaded only for tests that use the fixture

    with MemoryBroker(writegate_services) as broker, replace(broker.publisher()):
        yield broker
