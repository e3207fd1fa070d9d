"""Publishing: `publisher` is the way in, `pipeline` decides what may travel when, `engine` and `wire` do it."""

from writegate.publish.pending import Accepted, PendingReceipt
from writegate.publish.publisher import Publisher

__all__ = ["Accepted", "PendingReceipt", "Publisher"]
