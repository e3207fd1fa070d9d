"""The SQL edge: sessions, and every statement on the writer's own tables. No broker here.

In: calls of the Store protocol (`decide/store.py`) and housekeeping, from slot threads; leases and lock conflicts, from
the control thread. A session belongs to one thread. Out: rows, and the driver's errors as
:class:`~writegate_writer.errors.DatabaseFault`.
"""
