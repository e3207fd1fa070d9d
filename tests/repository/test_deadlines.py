"""Every deadline of a test goes through ``patient``, so that ``PATIENCE=3`` reaches all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
FOLDERS = ("tests", "shared/tests", "shared/devkit/tests", "services/*/tests")
# Simulated time; programs that measure and have time limits of their own; a file that is only type-checked.
WITHOUT = ("tests/simulation", "tests/benchmarks", "tests/demo", "tests/typing")
# Calls that wait, and where they take their deadline: as an argument of this number, or of this name.
WAITING = {"wait_until": 1, "wait": 0, "join": 0, "result": 0, "exception": 0}
KEYWORDS = {"timeout", "inactivity_timeout"}
# Calls of the product: what they do within their time limit is what is tested.
OF_THE_PRODUCT = {"publish", "apublish", "publish_many", "close", "stop", "drain_events", "commit"}
NAMES = {"PATIENCE_SECONDS", "DEADLINE_SECONDS", "START_SECONDS", "TAKE_OVER_SECONDS", "END_SECONDS"}
SHORT_SECONDS = 2.0  # less is no deadline but a pace, or a wait that is to end without an answer


def deadlines(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield what is given as a deadline."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id in NAMES for to in node.targets):
            yield node.value
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in OF_THE_PRODUCT:
            yield from (keyword.value for keyword in node.keywords if keyword.arg in KEYWORDS)
        if (place := WAITING.get(name)) is not None:
            yield from node.args[place : place + 1]


def fixed(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, int | float) and value.value >= SHORT_SECONDS


def test_deadlines_scale() -> None:
    files = [file for folder in FOLDERS for file in CHECKOUT.glob(f"{folder}/**/*.py")]
    found = [
        f"{name}:{value.lineno}"
        for file in files
        if not (name := str(file.relative_to(CHECKOUT))).startswith(WITHOUT)
        for value in deadlines(ast.parse(file.read_text()))
        if fixed(value)
    ]
    assert not found, f"write these deadlines as patient(seconds), of tests.deadlines: {', '.join(found)}"
