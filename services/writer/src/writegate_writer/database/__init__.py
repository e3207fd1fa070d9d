"""The SQL edge: one connection a thread, and every statement of the writer's own tables. No broker here.

In: calls of the store's protocol, from slot threads, and what the control thread looks after. Out: rows, and errors of
the driver as :class:`~writegate_writer.errors.DatabaseFault`.
"""
