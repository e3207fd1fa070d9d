"""Writegate: publish database writes as typed commands; one small pool of writers applies them."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from writegate.command import Command, contract_of, key_of
from writegate.service import Service
from writegate.upgrading import upgrades

if TYPE_CHECKING:
    from writegate.on_commit import publish_on_commit
    from writegate.process import apublish, apublish_many, publish, publish_many, publisher

__all__ = [
    "Command",
    "Service",
    "apublish",
    "apublish_many",
    "contract_of",
    "key_of",
    "publish",
    "publish_many",
    "publish_on_commit",
    "publisher",
    "upgrades",
]


def _loaded(name: str) -> Any:
    return getattr(import_module("writegate.on_commit" if name == "publish_on_commit" else "writegate.process"), name)


if not TYPE_CHECKING:  # a type checker is to know what there is not

    def __getattr__(name: str) -> Any:
        # At first use: whoever needs a contract only does not pay for an AMQP client.
        if name in __all__:
            return _loaded(name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Package(ModuleType):
    """``writegate.publish`` is the function, also after Python has put the subpackage of that name here.

    ``from writegate.publish import Publisher`` finds the subpackage by its full name, not as an attribute.
    """

    @property
    def publish(self) -> Any:
        return _loaded("publish")

    @publish.setter
    def publish(self, _: ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Package
