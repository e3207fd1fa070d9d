"""What a service's team writes: its tables and one handler for each command type. On slot threads, in a transaction.

In: commands of one type, in arrival order, and a connection. Out: statements on it, results, and emitted commands.
Here are also the ready-made handlers (`rows`), how declarations are found (`loading`), which services must be applied
together (`domains`), and the names of the database roles (`roles`).
"""
