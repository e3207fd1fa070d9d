"""The service of the documents, `invoices`: its files are the blocks of one page, so that what people copy works."""

from __future__ import annotations

from pathlib import Path

from tests.repository.documents import page

NAME = "invoices"
PAGE = "shared/docs/add-a-service.md"
CONTRACT = f"services/{NAME}/src/{NAME}/contract.py"
WRITES = f"services/{NAME}/src/{NAME}/writes.py"
MIGRATION = f"services/{NAME}/migrations/001_paid.sql"

_ENTRY_POINTS = f"""\
[writegate.contracts]
{NAME} = {NAME}.contract:{NAME}

[writegate.services]
{NAME} = {NAME}.writes:writes
"""


def source(path: str) -> str:
    """Return a file of the service: the block that begins with its path."""
    [text] = [block.text for block in page(PAGE).blocks if block.path == path]
    return text


def install(folder: Path) -> Path:
    """Write the service into a folder for the Python path, as if it were installed, and return that."""
    package = folder / NAME
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    for path in (CONTRACT, WRITES):
        (package / Path(path).name).write_text(source(path))
    (package / "migrations" / Path(MIGRATION).name).write_text(source(MIGRATION))
    info = folder / f"{NAME}-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 0\n")
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder
