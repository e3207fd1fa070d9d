"""Publishing: commands go in, AMQP messages go out, and each call returns when its commands are safe.

``process`` holds the one publisher of a process; ``publisher`` is what callers use, from any thread or event loop.
``engine`` runs on the publisher's own I/O thread: ``pipeline`` says which message may be sent now, ``wire`` sends it,
``spooling`` and ``spool`` keep commands on the local disk while the broker does not take them. ``capacity``,
``call_deadlines``, ``event_loops``, ``file_lock`` and ``pending`` are single parts of these.
"""

from writegate.publishing.pending import Accepted, PendingReceipt
from writegate.publishing.publisher import Publisher

__all__ = ["Accepted", "PendingReceipt", "Publisher"]
