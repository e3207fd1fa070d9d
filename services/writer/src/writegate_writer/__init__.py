"""The writer: takes commands from RabbitMQ and applies them in batched transactions over few connections.

What a service's ``writes.py`` needs is exported here. The way of a command is the way through the packages:
receive → schedule → decide → apply → database, with ``broker`` at both ends and ``worker`` around it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from writegate_writer.errors import Decline, Reject
    from writegate_writer.handlers import rows
    from writegate_writer.handlers.emit import emit
    from writegate_writer.handlers.writes import Writes

__all__ = ["Decline", "Reject", "Writes", "emit", "rows"]

_MODULES = {
    "Decline": "writegate_writer.errors",
    "Reject": "writegate_writer.errors",
    "Writes": "writegate_writer.handlers.writes",
    "emit": "writegate_writer.handlers.emit",
}

if not TYPE_CHECKING:  # a type checker is to know what there is not

    def __getattr__(name: str) -> Any:
        # At first use: the packages that decide are imported without SQLAlchemy, and importing them runs this file.
        if name == "rows":
            return import_module("writegate_writer.handlers.rows")
        if name in _MODULES:
            return getattr(import_module(_MODULES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
