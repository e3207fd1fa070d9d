"""Finding the services whose commands this writer applies: entry points of the group ``writegate.services``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from writegate.errors import DeclarationError
from writegate_writer.handlers.writes import Writes

GROUP = "writegate.services"


def load_services() -> dict[str, Writes]:
    """Return the declarations of every installed service by name.

    Raises :class:`DeclarationError` when one cannot be imported or is incomplete: a writer that started without a
    service would leave its lanes unread, and nobody would notice.
    """
    found: dict[str, Writes] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            writes = point.load()
        except ImportError as error:
            raise DeclarationError(f"service {point.name}: cannot import {point.value}: {error}") from error
        if not isinstance(writes, Writes):
            raise DeclarationError(f"service {point.name}: {point.value} is {type(writes).__name__}, expected a Writes")
        writes.check()
        found[writes.service.name] = writes
    return found


def migrations_of(writes: Writes) -> Sequence[Path]:
    """Return a service's migration files in the order of their names, in which they are applied."""
    return sorted(_folder(writes).glob("*.sql"))


def _folder(writes: Writes) -> Path:
    if writes.migrations is not None:
        return writes.migrations
    # In a wheel the folder is inside the package; in a checkout it is beside src/, where people edit it.
    package = Path(import_module(writes.service.name).__file__ or "").parent
    candidates = (package / "migrations", package.parent.parent / "migrations")
    return next((folder for folder in candidates if folder.is_dir()), candidates[0])
