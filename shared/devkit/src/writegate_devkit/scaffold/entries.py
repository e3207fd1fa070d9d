"""Adds a new service to the files that name every service. Pure: each function turns a text into the changed text.

Each raises :class:`DeclarationError` with what it did not find, when somebody has restructured that file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template

from writegate.errors import DeclarationError

_TEMPLATES = Path(__file__).parent / "templates" / "entries"
_PACKAGE = "\n[[package]]\n"
_FIRST_PORT = 8001  # of those that docker-compose.yml publishes

Words = Mapping[str, str]


def _filled(template: str, words: Words) -> str:
    return Template((_TEMPLATES / f"{template}.template").read_text(encoding="utf-8")).substitute(words)


def _insert(text: str, before: str, added: str) -> str:
    """Insert before the only or first match of a pattern; at the end when the pattern is ``\\Z``."""
    found = re.search(before, text, re.MULTILINE)
    if found is None:
        raise DeclarationError(f"expected something that matches {before!r}, before which to put {added.strip()!r}")
    return text[: found.start()] + added + text[found.start() :]


def lock(text: str, words: Words) -> str:
    """Add the service's package to uv.lock, as uv itself would write it; its dependencies are locked already."""
    name = words["distribution"]
    members = re.search(r"^members = \[\n((?: {4}\"[^\"]+\",\n)+)\]", text, re.MULTILINE)
    if members is None:
        raise DeclarationError("expected the list `members` of the workspace")
    listed = sorted([*members[1].splitlines(keepends=True), f'    "{name}",\n'])
    text = text[: members.start(1)] + "".join(listed) + text[members.end(1) :]
    head, *packages = text.split(_PACKAGE)
    packages.append(_filled("uv.lock", words).removeprefix(_PACKAGE.lstrip("\n")))
    # By their first lines, which are their names.
    return _PACKAGE.join([head, *sorted(packages, key=lambda package: package.partition("\n")[0])])


def import_contracts(text: str, words: Words) -> str:
    """Add the service to .importlinter: a root package, forbidden in the library, independent of other services."""
    for section, list_ in (
        ("importlinter", "root_packages"),
        ("importlinter:contract:drivers", "forbidden_modules"),
        ("importlinter:contract:services", "modules"),
    ):
        found = re.search(rf"^\[{section}\]\n(?:[^\[].*\n|\n)*?{list_} =\n(?: +.*\n)+", text, re.MULTILINE)
        if found is None:
            raise DeclarationError(f"expected a list `{list_}` in the section {section}")
        text = f"{text[: found.end()]}    {words['service']}\n{text[found.end() :]}"
    return text


def compose(text: str, words: Words) -> str:
    """Add the service to docker-compose.yml: its password for ``apply``, the app, and a volume for its spool."""
    passwords = list(re.finditer(r"^ +WRITEGATE_PASSWORD_\w+: .*\n", text, re.MULTILINE))
    if not passwords:
        raise DeclarationError("expected lines WRITEGATE_PASSWORD_… among the settings of `apply`")
    place, name = passwords[-1].end(), f"WRITEGATE_PASSWORD_{words['SERVICE']}"
    text = f"{text[:place]}      {name}: ${{{name}:-{words['service']}local}}\n{text[place:]}"
    ports = [int(port) for port in re.findall(r":-(\d+)\}:8000", text)]
    port = str(max(ports, default=_FIRST_PORT - 1) + 1)
    text = _insert(text, r"^volumes:$", _filled("compose.yml", {**words, "port": port}))
    return f"{text}  spool-{words['service']}:\n"


def dockerfile(text: str, words: Words) -> str:
    """Add the service to the Dockerfile: its handlers in the writer's image, and an image of its own for the app."""
    service = words["service"]
    text = _insert(text, r"(?<=\]')$(?=\nFROM build AS build-\w+$)", f" '{service}[writes]'")
    stage = f"FROM build AS build-{service}\nRUN sh deploy/docker/install '{service}[app]'\n"
    return _insert(text, r"^\nFROM \S+ AS run$", stage) + _filled("Dockerfile", words)


def supervisor(text: str, words: Words) -> str:
    """Add the app to deploy/supervisor; the local stack runs it from there too."""
    return text + _filled("supervisor.conf", words)


ENTRIES: Mapping[str, Callable[[str, Words], str]] = {
    "uv.lock": lock,
    ".importlinter": import_contracts,
    "docker-compose.yml": compose,
    "deploy/docker/Dockerfile": dockerfile,
    "deploy/supervisor/writegate.conf": supervisor,
}
