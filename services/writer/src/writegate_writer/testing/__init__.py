"""For the tests of services: applying what was published to the broker in memory, in one transaction of the test's.

Needs the writer's package, and the services' ``writes``, installed; :mod:`writegate.testing` alone does not.
"""

from writegate_writer.testing.drain import drain

__all__ = ["drain"]
