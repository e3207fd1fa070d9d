"""Checks the names of a new service and its key, and gives the reason for a refusal."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path

from writegate.contract.command import Command
from writegate.contract.service import RESERVED_NAMES
from writegate.errors import DeclarationError
from writegate_devkit.stack.programs import reserved_names

# Shorter than a service's name may be, so that the lines of the templates stay within the formatter's limit.
LONGEST_NAME = 30
_NAME = re.compile(rf"(?=.{{1,{LONGEST_NAME}}}$)[a-z]([a-z0-9_]*[a-z0-9])?")
_EXPECTED = f"expected lower-case letters, digits and _ (at most {LONGEST_NAME}; a letter first, no _ last)"

# Names of folders, images, broker users and schemas, beside those of a stack's programs, users and logs.
_OURS = frozenset(
    {
        "build",
        "conftest",
        "distribution",
        "guest",
        "information_schema",
        "public",
        "run",
        "scheduler",
        "shared",
        "tests",
    }
)
_PREFIXES = ("pg_", "writegate_")
# Types and fields in the contract's template, and PostgreSQL's system columns.
_NOT_KEYS = frozenset({"amount", "int", "str", "cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"})


def check_name(name: str) -> None:
    """Raise :class:`DeclarationError` unless a new service may have this name."""
    if not _NAME.fullmatch(name):
        raise DeclarationError(f"service name {name!r}: {_EXPECTED}")
    if name in RESERVED_NAMES | _OURS | reserved_names() or name.startswith(_PREFIXES):
        raise DeclarationError(f"service name {name!r} is reserved: choose another")
    if keyword.iskeyword(name) or _importable(name):
        raise DeclarationError(f"service name {name!r} is a word of Python or a module that is there: choose another")


def _importable(name: str) -> bool:
    found = find_spec(name)
    # A service whose folder was removed is still installed until the next set-up.
    return found is not None and not (found.has_location and not Path(str(found.origin)).exists())


def check_key(key: str) -> None:
    """Raise :class:`DeclarationError` unless the key's field and column may have this name."""
    if not _NAME.fullmatch(key):
        raise DeclarationError(f"key {key!r}: {_EXPECTED}")
    if keyword.iskeyword(key):
        raise DeclarationError(f"key {key!r} is a word of Python: choose another")
    if key in _NOT_KEYS or key.startswith("model_") or hasattr(Command, key):
        raise DeclarationError(
            f"key {key!r}: a command, or PostgreSQL, has something else of this name: choose another"
        )
