"""How long tests wait for something before they fail.

Every deadline of a test is written ``patient(seconds)``: the seconds of a machine that has nothing else to do. On a
slow or a busy one, ``PATIENCE=3`` multiplies all of them, pytest-timeout's included (see ``conftest.py``).
"""

from __future__ import annotations

import os

PATIENCE = float(os.environ.get("PATIENCE") or 1)


def patient(seconds: float) -> float:
    """Return a deadline in seconds, multiplied by ``PATIENCE``."""
    return seconds * PATIENCE
