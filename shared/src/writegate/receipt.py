"""Receipts: what became of a command. The public names of :mod:`writegate.message.receipt`.

The name of this module is part of the wire format: the result message of a parked or declined command names
``writegate.receipt.Parked`` or ``Declined``, and Celery's client imports that class to raise it.
"""

from writegate.message.receipt import Cause, Declined, Outcome, Parked, Receipt

__all__ = ["Cause", "Declined", "Outcome", "Parked", "Receipt"]
