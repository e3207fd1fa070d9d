"""The settings of a session on which the meaning of a value depends, whatever server, database and role are set to.

They travel in the start-up packet, which PostgreSQL puts above ``ALTER ROLE … SET`` and ``ALTER DATABASE … SET``.
Left out on purpose: ``default_transaction_read_only``, by which a DBA stops all writes, and ``lc_messages``, which only
a superuser may set (nothing here depends on the text of an error).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SESSION_SETTINGS: Final[Mapping[str, str]] = {
    # How text is read as a value, and a value written as text.
    "datestyle": "ISO,MDY",
    "intervalstyle": "postgres",  # `sql_standard` reads '-1 days +86399 seconds' as a different interval
    "timezone": "UTC",  # of a timestamp without zone that becomes one with a zone, and of `current_date`
    "timezone_abbreviations": "Default",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "array_nulls": "on",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",  # `money` is read by it
    "lc_numeric": "C",
    "lc_time": "C",
    "client_encoding": "UTF8",
    # How a statement is read.
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "transform_null_equals": "off",
    "search_path": '"$user",public',
    "row_security": "on",
    # What a commit means. A message is acknowledged when its commit is durable.
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
}


def connection_options(settings: Mapping[str, str | int]) -> str:
    """Return settings in the form of libpq's connection parameter ``options``."""
    return " ".join(f"-c {name}={_escaped(str(value))}" for name, value in settings.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
