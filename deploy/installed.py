"""Says what `deploy/setup` has to uninstall, and which services it keeps: a line each, ``remove NAME``, ``keep NAME``.

Run by the environment's Python, with the path of the locked requirements. The environment holds what the lock file
says, and the members of the workspace. Services that people have installed from elsewhere, for the writers here to
serve them, stay with all that they need. Needs nothing but the standard library.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

CHECKOUT = Path(__file__).resolve().parents[1]
GROUPS = ("writegate.services", "writegate.contracts", "writegate.commands")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def canonical(name: str) -> str:
    """Return a distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(requirements: str) -> set[str]:
    """Return the names of a file of requirements with hashes."""
    return {canonical(found[0]) for line in requirements.splitlines() if (found := _NAME.match(line))}


def members(checkout: Path) -> set[str]:
    """Return the names of the workspace's members."""
    projects = [checkout / "shared", checkout / "shared/devkit", *(checkout / "services").iterdir()]
    files = [project / "pyproject.toml" for project in projects]
    return {canonical(tomllib.loads(file.read_text())["project"]["name"]) for file in files if file.is_file()}


def from_elsewhere(installed: Mapping[str, Distribution], checkout: Path, known: Iterable[str]) -> set[str]:
    """Return the services that are installed, and not from this checkout: also not from a folder that it had once."""
    return {
        name
        for name, found in installed.items()
        if name not in known
        and any(point.group in GROUPS for point in found.entry_points)
        and not _source(found).is_relative_to(checkout)
    }


def needed(names: Iterable[str], installed: Mapping[str, Distribution]) -> set[str]:
    """Return these and all that they may need, extras included, as far as it is installed."""
    found: set[str] = set()
    waiting = [name for name in names if name in installed]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            wanted = (canonical(match[0]) for text in installed[name].requires or () if (match := _NAME.match(text)))
            waiting += [other for other in wanted if other in installed]
    return found


def verdicts(requirements: str, checkout: Path, installed: Mapping[str, Distribution]) -> Iterator[str]:
    """Yield the lines."""
    ours = locked(requirements) | members(checkout)
    kept = from_elsewhere(installed, checkout, ours)
    yield from (f"keep {name}" for name in sorted(kept))
    yield from (f"remove {name}" for name in sorted(installed.keys() - ours - needed(kept, installed)))


def _source(found: Distribution) -> Path:
    """Return where a distribution was installed from; a path outside of everything when it was an index."""
    text = found.read_text("direct_url.json")
    return Path(unquote(urlsplit(json.loads(text)["url"]).path)).resolve() if text else Path("/an/index")


if __name__ == "__main__":
    here = {canonical(found.name): found for found in distributions()}
    sys.stdout.writelines(f"{line}\n" for line in verdicts(Path(sys.argv[1]).read_text(), CHECKOUT, here))
