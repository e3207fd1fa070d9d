"""Runs import-linter with `.importlinter` and every service whose folder is there: `python deploy/lint_imports.py`.

`.importlinter` names the services of this project. A new one is added here, to a copy: the file is nothing that two
branches would have to edit. Arguments are import-linter's.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# Where services are named: as root packages, forbidden in the library, independent of each other.
_LISTS = (
    ("importlinter", "root_packages"),
    ("importlinter:contract:drivers", "forbidden_modules"),
    ("importlinter:contract:services", "modules"),
)


def packages(checkout: Path) -> list[str]:
    """Return the packages of the services that have handlers and a package of their folder's name."""
    files = checkout.glob("services/*/pyproject.toml")
    found = (file.parent for file in files if "writegate.services" in file.read_text())
    return sorted(folder.name for folder in found if (folder / "src" / folder.name).is_dir())


def with_services(text: str, services: Iterable[str]) -> str:
    """Return a configuration with these services added where they are not named yet."""
    for section, key in _LISTS:
        found = re.search(rf"^\[{section}\]\n(?:[^\[].*\n|\n)*?{key} =\n((?: +.*\n)+)", text, re.MULTILINE)
        if found is None:
            raise SystemExit(f".importlinter: expected a list `{key}` in the section {section}")
        added = "".join(f"    {name}\n" for name in services if name not in found[1].split())
        text = text[: found.end()] + added + text[found.end() :]
    return text


def main(checkout: Path, arguments: list[str]) -> int:
    """Lint, and return the exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        file.write(with_services((checkout / ".importlinter").read_text(), packages(checkout)))
        file.flush()
        command = [str(Path(sys.executable).with_name("lint-imports")), "--config", file.name, *arguments]
        return subprocess.run(command, cwd=checkout, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(CHECKOUT, sys.argv[1:]))
