"""What a service's team writes: its tables and one handler for each command type. On slot threads, in a transaction.

In: commands of one type, in arrival order, and a connection. Out: statements on it, results, and emitted commands.
Also here: ready-made handlers (`rows`), how the declarations of installed services are found (`loading`), which lanes
must be applied one batch at a time (`domains`), and the names of the database roles and broker users (`roles`).
"""
