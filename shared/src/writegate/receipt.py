"""What becomes of a command, for those who ask.

This name is part of the wire format: a result message names ``writegate.receipt.Parked``, and Celery's client imports
it from there to raise it.
"""

from writegate.message.receipt import Cause, Outcome, Parked, Receipt

__all__ = ["Cause", "Outcome", "Parked", "Receipt"]
