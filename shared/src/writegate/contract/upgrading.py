"""Upgrades: how the fields of one version of a contract become those of the next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType
from typing import Any, TypeVar

from writegate.errors import DeclarationError

Fields = dict[str, Any]
Upgrade = Callable[[Fields], Fields]


U = TypeVar("U", bound=Upgrade)


def upgrades(*, from_: int) -> Callable[[U], U]:
    """Register a static method of a command as the upgrade of its fields from one version to the next.

    ::

        class PayInvoice(Command, key="invoice", version=2):
            invoice: str
            cents: int

            @upgrades(from_=1)
            @staticmethod
            def in_cents(fields: dict[str, Any]) -> dict[str, Any]:
                return {"invoice": fields["invoice"], "cents": fields["euros"] * 100}

    It receives the fields as plain JSON values and returns those of version ``from_ + 1``. The writer calls one upgrade
    after the other until the version is the current one; then the contract validates the result. A ``ValueError`` or
    ``LookupError`` means that the fields were not of that version: the command is parked. Any other error is a mistake
    in the upgrade itself: the command is deferred and tried again, until a writer with a corrected upgrade is deployed.

    An upgrade must not change the key: order per key depends on it, and a command whose key differs from the one in its
    message is parked.
    """

    def register(method: U) -> U:
        vars(_function(method))["upgrades_from"] = from_
        return method

    return register


def upgrades_of(command: type, version: int) -> Mapping[int, Upgrade]:
    """Return the upgrades that a command class declares, by the version they start from.

    Raises :class:`DeclarationError` unless they lead from some version to the current one without a gap.
    """
    found: dict[int, Upgrade] = {}
    for method in vars(command).values():
        function = _function(method)
        if not isinstance(function, FunctionType) or (start := vars(function).get("upgrades_from")) is None:
            continue
        if start in found:
            raise DeclarationError(f"{command.__name__}: two upgrades from version {start}")
        found[start] = function
    if found and sorted(found) != list(range(max(1, min(found)), version)):
        starts = ", ".join(map(str, sorted(found)))
        raise DeclarationError(
            f"{command.__name__} is version {version} and has upgrades from {starts}: expected one from each version "
            f"up to {version - 1}, without a gap"
        )
    return MappingProxyType(dict(sorted(found.items())))


def _function(method: object) -> object:
    # In the body of a class a static method is still an object that wraps its function.
    return method.__func__ if isinstance(method, staticmethod) else method
