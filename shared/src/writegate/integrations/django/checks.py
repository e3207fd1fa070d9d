"""``manage.py check``: wrong settings and, with ``--database``, database users that may still write directly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  Django's name for it
from django.db import connections

from writegate.config import Settings
from writegate.errors import SettingsError
from writegate.integrations.django.apps import configured

# The roles of services are those that the writer may act as; the tables of services are those such a role may change.
_WRITABLE = """
select distinct c.oid::regclass::text
from pg_auth_members m
join pg_roles writer on writer.oid = m.member and writer.rolname = 'writegate_writer'
cross join pg_class c
where c.relkind in ('r', 'p')
  and has_table_privilege(m.roleid, c.oid, 'insert, update, delete')
  and (has_table_privilege(c.oid, 'delete, truncate') or has_any_column_privilege(c.oid, 'insert, update'))
order by 1
"""
_NAMED = 3  # tables named in the warning: a user who may write one of them usually may write many


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    """Find a wrong setting. A missing one raises when something is published."""
    try:
        Settings.load(defaults=configured())
    except SettingsError as error:
        return [Error(str(error), hint="see WRITEGATE in Django's settings, and the environment", id="writegate.E001")]
    return []


@register(Tags.database)
def check_databases(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Find entries of ``DATABASES`` whose user may change a table that belongs to the gate.

    It connects only to databases that ``--database`` names.
    """
    return [found for alias in databases or () for found in _check(alias)]


def _check(alias: str) -> list[CheckMessage]:
    connection = connections[alias]
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(_WRITABLE)
        tables = [name for (name,) in cursor.fetchall()]
    if not tables:
        return []
    named = ", ".join(tables[:_NAMED]) + (f" and {len(tables) - _NAMED} more" if len(tables) > _NAMED else "")
    return [
        Warning(
            f"DATABASES[{alias!r}] connects as {connection.settings_dict['USER']!r}, which may write to {named}",
            hint="writes go through the gate: connect as writegate_reader, or revoke these rights",
            id="writegate.W001",
        )
    ]
