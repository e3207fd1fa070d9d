"""Receipts: what became of a command. The public names of :mod:`writegate.message.receipt`.

The name of this module is part of the wire format: the result message of a parked command names
``writegate.receipt.Parked``, and Celery's client imports that class to raise it.
"""

from writegate.message.receipt import Cause, Outcome, Parked, Receipt

__all__ = ["Cause", "Outcome", "Parked", "Receipt"]
