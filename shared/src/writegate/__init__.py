"""Writegate: publish database writes as typed commands; one small pool of writers applies them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from writegate.contract.command import Command, contract_of, key_of
from writegate.contract.service import Service
from writegate.contract.upgrading import upgrades

if TYPE_CHECKING:
    from writegate.integrations.on_commit import publish_on_commit
    from writegate.publishing.process import apublish, apublish_many, publish, publish_many, publisher

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

_ON_COMMIT, _PROCESS = "writegate.integrations.on_commit", "writegate.publishing.process"

if not TYPE_CHECKING:  # a type checker is to know what there is not

    def __getattr__(name: str) -> Any:
        # At first use: whoever needs a contract only does not pay for an AMQP client.
        if name in __all__:
            return getattr(import_module(_ON_COMMIT if name == "publish_on_commit" else _PROCESS), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
