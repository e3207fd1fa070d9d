"""Finding the contracts: entry points of the group ``writegate.contracts``.

They are in the base distribution of a service, so that whoever publishes finds them without a writer or a driver. The
group ``writegate.services`` names the same services' handlers, for writers.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from writegate.contract.service import Service
from writegate.errors import DeclarationError

GROUP = "writegate.contracts"


def installed_services() -> dict[str, Service]:
    """Return the services whose contracts are installed, by name.

    Raises :class:`DeclarationError` when one cannot be imported, or is none.
    """
    found: dict[str, Service] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        try:
            service = point.load()
        except (ImportError, AttributeError) as error:
            raise DeclarationError(f"contract {point.name}: cannot import {point.value}: {error}") from error
        if not isinstance(service, Service):
            what = type(service).__name__
            raise DeclarationError(f"contract {point.name}: {point.value} is {what}, expected a Service")
        found[service.name] = service
    return found
