"""The baseline: a file of connection counts from before the gate, to compare with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from writegate.errors import WritegateError
from writegate_console.gate.connections.counts import ConnectionCounts


def read_baseline(path: Path) -> ConnectionCounts:
    """Return the counts in a file. Raises :class:`WritegateError` when it is missing or no baseline."""
    try:
        return ConnectionCounts(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise WritegateError(
            f"{path} is no baseline ({error}): expected a file that `writegate connections --baseline` wrote"
        ) from error


def write_baseline(path: Path, counts: ConnectionCounts) -> None:
    """Write counts to a file."""
    path.write_text(json.dumps(asdict(counts), indent=2) + "\n")
