"""Publishing: `publisher` is the way in, `pipeline` decides what may travel when, `engine` and `wire` do it."""

from writegate.publishing.pending import Accepted, PendingReceipt
from writegate.publishing.publisher import Publisher

__all__ = ["Accepted", "PendingReceipt", "Publisher"]
