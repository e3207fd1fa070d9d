"""What was found for a commit: kept in a file, so that a finished check of the same commit is not run again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.proof.figures import Figures

BUILD: Final = Path("build")
FOLDER: Final = BUILD / "proof"
RESULT: Final = BUILD / "proof.json"


@dataclass(frozen=True)
class Tree:
    """The commit that is checked out, and whether files differ from it."""

    commit: str
    dirty: bool

    @classmethod
    def read(cls) -> Tree:
        """Read it with git. Ignored files do not count. Files that git does not know are no commit."""
        try:
            return cls(_git("rev-parse", "HEAD"), dirty=bool(_git("status", "--porcelain")))
        except (OSError, subprocess.CalledProcessError):
            return cls("unknown", dirty=True)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True)
class Result:
    """What came of one check. ``command`` is what was run."""

    name: str
    command: str
    passed: bool
    seconds: float
    figures: Figures = field(default_factory=dict)


class Record:
    """The results for a tree and a size.

    A result that passed on a clean tree is kept under its commit, and found again by the next run. On a dirty tree
    nothing is kept and nothing is found: what was checked has no name.
    """

    def __init__(self, tree: Tree, *, quick: bool, folder: Path = FOLDER) -> None:
        self.tree = tree
        self.quick = quick
        self.results: dict[str, Result] = {}
        self._path = folder / f"{tree.commit}-{'quick' if quick else 'full'}.json"
        if not tree.dirty and self._path.exists():
            kept = [Result(**fields) for fields in json.loads(self._path.read_text())["checks"]]
            self.results = {result.name: result for result in kept if result.passed}

    def passed(self, name: str, command: str) -> bool:
        """Whether a check has passed with the same command."""
        result = self.results.get(name)
        return result is not None and result.passed and result.command == command

    def add(self, result: Result) -> None:
        """Add a result, and keep it where that means something."""
        self.results[result.name] = result
        if not self.tree.dirty:
            write_json(self._path, self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return what the file and build/proof.json hold."""
        return {
            "commit": self.tree.commit,
            "dirty": self.tree.dirty,
            "size": "quick" if self.quick else "full",
            "passed": all(result.passed for result in self.results.values()),
            "seconds": round(sum(result.seconds for result in self.results.values()), 1),
            "checks": [asdict(result) for result in self.results.values()],
        }


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file at once or not at all: a run may be interrupted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    partial.replace(path)
