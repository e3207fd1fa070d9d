"""The writer: takes commands from RabbitMQ and applies them in batched transactions over few connections.

What a service's ``writes.py`` needs is exported here; the way of a command through the writer is told by the
module names: consume → batch → apply → outcome → ack.
"""

from writegate_writer import rows
from writegate_writer.declare import Writes
from writegate_writer.emitting import emit
from writegate_writer.faults import Reject

__all__ = ["Reject", "Writes", "emit", "rows"]
