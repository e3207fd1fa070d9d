"""What publishers wrote down about their calls, line by line, each line on disk before the call goes on.

An *intent* comes before a call and says what it publishes; *accepted* and *refused* come after it. A call without
either was cut off: what it published may have arrived or not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.services.trial.contract import Step


@dataclass(frozen=True, slots=True)
class Call:
    """One command of a call: the id it was published under, and its place in its stream of calls."""

    id: str
    stream: str
    account: str
    seq: int
    bad: bool


@dataclass
class History:
    """What some publishers did: every command that was published by its id, and what was accepted and refused."""

    calls: dict[str, Call] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, files: Iterable[Path]) -> Self:
        """Read what was written. The last line of a process that was killed may be cut off: then it says nothing."""
        history = cls()
        for file in sorted(files):
            for line in file.read_bytes().split(b"\n")[:-1]:
                history._take_in(json.loads(line))
        return history

    def _take_in(self, line: dict[str, Any]) -> None:
        if line["what"] == "intent":
            calls = [Call(id_, line["stream"], account, seq, bad) for id_, account, seq, bad in line["steps"]]
            self.calls.update({call.id: call for call in calls})
        else:
            (self.accepted if line["what"] == "accepted" else self.refused).update(line["ids"])


class Record:
    """A history's file, as it is written. Threads may share it: each line is one write."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def intent(self, stream: str, steps: Sequence[Step]) -> None:
        """A call is about to publish these."""
        rows = [(step.command_id, step.account, step.seq, step.bad) for step in steps]
        self._write({"what": "intent", "stream": stream, "steps": rows})

    def accepted(self, steps: Sequence[Step]) -> None:
        """The call has returned."""
        self._write({"what": "accepted", "ids": [step.command_id for step in steps]})

    def refused(self, steps: Sequence[Step], error: Exception) -> None:
        """The call has raised, and is not tried again."""
        self._write({"what": "refused", "ids": [step.command_id for step in steps], "error": repr(error)})

    def close(self) -> None:
        os.close(self._file)

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")
        os.fsync(self._file)
