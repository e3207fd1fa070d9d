"""Names of our own broker users, which are those of database roles as well. They are defined here and nowhere else."""

from __future__ import annotations

from typing import Final

WRITER: Final = "writegate_writer"
READER: Final = "writegate_reader"  # reads the management API
OPERATOR: Final = "writegate_operator"  # publishes what people want done, and reads that API
