"""For the tests of services: apply what they publish, and check that their keys own their rows.

Needs the writer's package, and the services' ``writes``, installed; :mod:`writegate.testing` alone does not.
"""

from writegate_writer.testing.drain import drain
from writegate_writer.testing.eager import eager
from writegate_writer.testing.shared_rows import SharedRow, find_shared_rows

__all__ = ["SharedRow", "drain", "eager", "find_shared_rows"]
