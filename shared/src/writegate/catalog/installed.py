"""The installed contracts: entry points of the group ``writegate.contracts``.

The base distribution of a service has one, so that a publisher finds the contract without a writer or a driver. The
group ``writegate.services`` names the handlers of the same services, for writers.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from writegate.contract.service import Service
from writegate.errors import DeclarationError

GROUP = "writegate.contracts"


def installed_services() -> dict[str, Service]:
    """Return the services whose contracts are installed, by name.

    Raises :class:`DeclarationError` when one cannot be imported, or is not a :class:`Service`.
    """
    found: dict[str, Service] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            service = point.load()
        except (ImportError, AttributeError) as error:
            raise DeclarationError(f"contract {point.name}: cannot import {point.value}: {error}") from error
        if not isinstance(service, Service):
            what = type(service).__name__
            raise DeclarationError(f"contract {point.name}: {point.value} is {what}, expected a Service")
        found[service.name] = service
    return found
