"""The local stack: a private broker and database, writers and services, supervised, for development and tests.

``home`` decides where its state lives, ``ports`` and ``credentials`` what it remembers, ``broker`` and ``database``
prepare the servers, ``programs`` lists what runs, ``supervision`` runs it, ``readiness`` asks whether it answers,
``orphans`` finds what a killed supervisor left. ``Stack`` puts them in order.
"""

from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.stack import Stack

__all__ = ["Stack", "StackError"]
