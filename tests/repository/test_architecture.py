"""The shape of the code: which way imports go, what importing the library costs, and how long things may get."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from tests.checkout import ROOT, copied, tracked

SERVICES = sorted(path.parents[2].name for path in ROOT.glob("services/*/src/*/contract.py"))
FILE_LINES, FUNCTION_LINES = 400, 60

# Whoever publishes, or serves requests, has no way to the database: no driver, no table, no handler.
WRITE_SIDE = ("tables", "writes")
DATABASE = ("psycopg2", "sqlalchemy", "writegate_writer")


SOURCES = tracked("*.py")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lint_imports(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of a checkout, as `make lint` does."""
    sources = [*checkout.glob("services/*/src"), *checkout.glob("shared/**/src")]
    # Before what is installed: that are the sources of this checkout.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}
    return subprocess.run(
        [sys.executable, "deploy/lint_imports.py", "--no-cache", "--no-logo", *arguments],
        cwd=checkout, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_import_contracts_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_module_of_the_writer_in_no_package_breaks_the_contract(tmp_path: Path) -> None:
    checkout = copied(tmp_path / "checkout")
    assert (done := lint_imports(checkout, "--contract", "writer")).returncode == 0, done.stdout + done.stderr
    (checkout / "services/writer/src/writegate_writer/stray.py").write_text('"""In no layer."""\n')
    done = lint_imports(checkout, "--contract", "writer")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "writegate_writer.stray" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        "writegate",
        "writegate_console",
        "writegate_writer",
        *SERVICES,
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )


@pytest.mark.parametrize("service", SERVICES)
def test_an_app_has_no_way_to_the_database(graph: grimp.ImportGraph, service: str) -> None:
    write_side = {f"{service}.{name}" for name in WRITE_SIDE}
    app = {module for module in graph.find_descendants(service) if module not in write_side}
    assert f"{service}.contract" in app
    for module in sorted(app):
        for forbidden in sorted(write_side) + [name for name in DATABASE if name in graph.modules]:
            chain = graph.find_shortest_chain(module, forbidden)
            assert chain is None, " → ".join(chain or ())


@pytest.mark.parametrize("service", SERVICES)
def test_a_contract_imports_the_library_and_nothing_else_of_ours(service: str) -> None:
    allowed = {"writegate", "pydantic", *sys.stdlib_module_names}
    for name in ("contract", "__init__"):
        path = ROOT / "services" / service / "src" / service / f"{name}.py"
        assert {module.partition(".")[0] for module in imported_by(path)} <= allowed


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or "."
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def newly_imported(statement: str) -> list[str]:
    """Modules that a fresh interpreter has loaded because of ``statement``."""
    counted = "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    program = f"import sys; before = set(sys.modules); {statement}; {counted}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stdout)
    return loaded


# In modules: how long it takes depends on the machine. Nearly all of it is pydantic, which a contract is made of.
PYDANTIC = "from pydantic import BaseModel; type('Model', (BaseModel,), {})"
HEAVY = {"asyncpg", "celery", "django", "fastapi", "flask", "kombu", "psycopg", "psycopg2", "sqlalchemy", "typer"}


@pytest.mark.parametrize(
    ("statement", "more_modules"),
    [
        ("import writegate", 10),
        ("import flights.contract", 15),
        ("from writegate import publish", 150),
        ("from writegate.publishing import Publisher", 150),
    ],
)
def test_importing_is_light(statement: str, more_modules: int) -> None:
    loaded = set(newly_imported(statement))
    assert (HEAVY | {"writegate_writer"}).isdisjoint(name.partition(".")[0] for name in loaded)
    more = loaded - set(newly_imported(PYDANTIC))
    assert len(more) <= more_modules, sorted(more)


def test_publishing_alone_pulls_the_broker_client() -> None:
    assert "pika" not in newly_imported("import flights.contract")
    assert "pika" in newly_imported("from writegate.publishing import Publisher")


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{named(path)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_files_and_functions_are_short() -> None:
    files = {named(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in files.items() if lines > FILE_LINES} == {}
    assert {name: lines for path in SOURCES for name, lines in functions(path) if lines > FUNCTION_LINES} == {}


def test_files_are_named_by_what_they_are_about() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}
    assert [named(path) for path in tracked() if vague & {path.stem, *path.relative_to(ROOT).parts}] == []


# What must not be in the project: where a machine gets its packages from, and how the work was organised. The brackets
# keep this line from finding itself.
FORBIDDEN = re.compile(
    r"pypi\.or[g]|pythonhoste[d]|registry\.npmj[s]|/wor[k]/|DESIG[N]\.md|FACT[S]\.md|STYL[E]\.md|\bissu[e] \d"
)


def lines_with(pattern: re.Pattern[str], path: Path) -> list[str]:
    text = path.read_bytes().decode(errors="replace")
    lines = enumerate(text.splitlines(), 1)
    return [f"{named(path)}:{number}: {line.strip()[:100]}" for number, line in lines if pattern.search(line)]


def test_nothing_names_a_registry_a_machine_or_how_the_work_was_organised() -> None:
    assert [where for path in tracked() for where in lines_with(FORBIDDEN, path)] == []


def test_every_exemption_names_its_rule() -> None:
    """At least it names its rule: nothing is switched off altogether."""
    bare = re.compile(r"#\s*(noq[a](?!: [A-Z]+\d+)|type: ignor[e](?!\[))")
    assert [where for path in SOURCES for where in lines_with(bare, path)] == []
