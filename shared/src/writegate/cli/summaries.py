"""The help of a command, read from the source of its module: the overview imports no command."""

from __future__ import annotations

import ast
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint
from pathlib import Path


def summary_of(command: EntryPoint) -> str:
    """Return the help of a command: of a function its docstring, of an application the text that it was made with.

    An empty text when the module's source is not there; that it cannot be imported is reported when it is called.
    """
    source = _source_of(command.module)
    if source is None:
        return ""
    for statement in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == command.attr:
            return ast.get_docstring(statement) or ""
        if isinstance(statement, ast.Assign) and any(_is_name(target, command.attr) for target in statement.targets):
            return _help_argument(statement.value)
    return ""


def _source_of(module: str) -> Path | None:
    """Find the file of a module. Its packages are not imported: a package may load all that its modules need."""
    package, *names = module.split(".")
    spec = PathFinder.find_spec(package)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, *names)
        for source in (path.with_suffix(".py"), path / "__init__.py"):
            if source.is_file():
                return source
    return None


def _is_name(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _help_argument(value: ast.expr) -> str:
    if not isinstance(value, ast.Call):
        return ""
    texts = (keyword.value for keyword in value.keywords if keyword.arg == "help")
    return next((text.value for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str)), "")
