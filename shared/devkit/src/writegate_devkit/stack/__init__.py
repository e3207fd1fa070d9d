"""The local stack: a private broker and database, writers and services, supervised, for development and tests.

In: the command line, or a test that calls :class:`Stack`. Out: running processes, with their state in one directory.
``home`` decides where that directory is; ``stack_state`` and ``ports`` keep ports, settings and passwords in it;
``environment`` gives each process its settings; ``broker`` and ``database`` prepare the servers; ``programs`` lists
what runs; ``supervision`` runs it; ``readiness`` asks whether it answers; ``orphans`` finds the processes that a killed
supervisor left. ``stack`` puts these in order, ``status`` describes the result, ``cli`` is the command line.
"""

from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.stack import Stack

__all__ = ["Stack", "StackError"]
