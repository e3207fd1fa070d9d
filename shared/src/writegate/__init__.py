"""Writegate: publish database writes as typed commands; one small pool of writers applies them.

The public names of the library:

- here: :class:`Command`, :class:`Service`, :func:`upgrades` declare a contract; :func:`publish`, :func:`publish_many`
  and their asyncio twins publish with :func:`publisher`, the one of this process; :func:`publish_on_commit` publishes
  after a local transaction; :func:`contract_of` and :func:`key_of` answer questions about a command;
- :class:`writegate.publishing.Publisher` for a publisher of your own;
- :mod:`writegate.errors`: everything that can be raised; :mod:`writegate.receipt`: what became of a command;
- :mod:`writegate.celery` and :mod:`writegate.integrations`: Celery's own producer, FastAPI, Flask, Django, SQLAlchemy;
- :mod:`writegate.testing`: a broker in memory for the tests of a service.

Other modules are internal and may change in any release.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from writegate.contract.command import Command, contract_of, key_of
    from writegate.contract.service import Service
    from writegate.contract.upgrading import upgrades
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

# Imported at first use: a program that only needs a contract loads no AMQP client, and the command line's overview
# no pydantic.
_MODULES = {
    "Command": "contract.command",
    "Service": "contract.service",
    "contract_of": "contract.command",
    "key_of": "contract.command",
    "publish_on_commit": "integrations.on_commit",
    "upgrades": "contract.upgrading",
}

if not TYPE_CHECKING:  # with a module's __getattr__ a type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name in __all__:
            return getattr(import_module(f"writegate.{_MODULES.get(name, 'publishing.process')}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
