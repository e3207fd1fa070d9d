"""As many services as one likes: each a copy of `events` under another name, with its own exchange, queue and table."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.benchmarks.place import SERVICES

TEMPLATE = "events"


def names(count: int) -> list[str]:
    """Return the names of so many services."""
    return [f"{TEMPLATE}_{number:03}" for number in range(count)]


def generate(folder: Path, count: int) -> None:
    """Write so many services and their entry points into a folder that is to be on Python's path."""
    for name in names(count):
        _copy(SERVICES / TEMPLATE, folder / name, name)
    about = folder / "generated-0.dist-info"
    shutil.copytree(next(SERVICES.glob("*.dist-info")), about)
    lines = (about / "entry_points.txt").read_text().splitlines()
    kept = [line for line in lines if line.startswith(("[", f"{TEMPLATE} "))]
    groups = [
        "\n".join(line.replace(TEMPLATE, name) for name in names(count)) if line.startswith(TEMPLATE) else line
        for line in kept
    ]
    (about / "entry_points.txt").write_text("\n".join(groups) + "\n")


def _copy(template: Path, folder: Path, name: str) -> None:
    for path in template.rglob("*.*"):
        if path.suffix in {".py", ".sql"}:
            to = folder / path.relative_to(template)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_text(path.read_text().replace(TEMPLATE, name))
