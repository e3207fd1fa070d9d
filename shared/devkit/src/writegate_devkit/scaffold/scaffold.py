"""Creates a service: first everything as text, then all of it is written, or nothing."""

from __future__ import annotations

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from string import Template

from writegate.errors import DeclarationError, WritegateError
from writegate_devkit.scaffold.names import check_key, check_name

_TEMPLATES = Path(__file__).parent / "templates" / "service"
Words = Mapping[str, str]
_ENDING = ".template"
_IMPORTS = re.compile(r"(?:^from \w+[\w.]* import .*\n)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A planned service. ``made``: the text of its files by path in ``folder``."""

    folder: Path
    made: dict[str, str]


def planned(checkout: Path, name: str, lanes: int, key: str) -> Scaffold:
    """Return everything a new service consists of. Raises :class:`DeclarationError` when it cannot be created."""
    check_name(name)
    check_key(key)
    folder = checkout / "services" / name
    if folder.exists():
        raise DeclarationError(f"there is a service {name} already: {folder}")
    words = {
        "service": name,
        "SERVICE": name.upper(),
        "distribution": re.sub("_+", "-", name),
        "key": key,
        "lanes": str(lanes),
    }
    if f'\nname = "{words["distribution"]}"\n' in _text(checkout / "uv.lock"):
        raise DeclarationError(f"service name {name!r} is that of a package in uv.lock: choose another")
    _check_shadowing(name)
    return Scaffold(folder, _files(words))


def write(scaffold: Scaffold) -> None:
    """Write the service's folder.

    It gets its name when everything is in it. Raises :class:`WritegateError` when that fails; then nothing is changed.
    """
    try:
        with ExitStack() as leftovers:
            folder = Path(tempfile.mkdtemp(prefix=".new-", dir=scaffold.folder.parent))
            leftovers.callback(shutil.rmtree, folder, ignore_errors=True)
            for name, text in scaffold.made.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            folder.chmod(scaffold.folder.parent.stat().st_mode & 0o777)
            folder.rename(scaffold.folder)
    except OSError as error:
        raise WritegateError(f"cannot write {error.filename}: {error.strerror}") from error


def _check_shadowing(name: str) -> None:
    """Raise :class:`DeclarationError` when a module of the templates binds this name to something else."""
    neutral = {"service": "service_", "SERVICE": "SERVICE_", "key": "key_", "lanes": "1"}
    for path, text in _files(neutral).items():
        if path.endswith(".py") and name in _bound(ast.parse(text)):
            raise DeclarationError(f"service name {name!r} is reserved: its {path} has something else of that name")


def _bound(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.alias():
                yield node.asname or node.name
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id


def _files(words: Words) -> dict[str, str]:
    found = {str(path.relative_to(_TEMPLATES)): _filled(path, words) for path in _TEMPLATES.rglob(f"*{_ENDING}")}
    return {name.removesuffix(_ENDING).replace("SERVICE", words["service"]): text for name, text in found.items()}


def _filled(template: Path, words: Words) -> str:
    text = Template(_text(template)).substitute(words)
    # The place of the service's own imports among the others depends on its name.
    return _IMPORTS.sub(lambda block: "".join(sorted(block[0].splitlines(keepends=True), key=_module)), text)


def _module(line: str) -> str:
    return line.split()[1]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DeclarationError(f"cannot read {path}: {error.strerror}") from error
