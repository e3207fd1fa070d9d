"""Connections to the database: how many, within which budget, who waits for locks, who may still write directly.

In: a :class:`~writegate_console.gate.database.Database`. Out: frozen dataclasses. ``counts`` is pure, ``queries``,
``budget`` and ``locks`` ask the database, ``baseline`` reads and writes the file of what was before. Runs on the
caller's thread.
"""
