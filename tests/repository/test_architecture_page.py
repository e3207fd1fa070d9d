"""What `shared/docs/architecture.md` says of packages and files is what the code is."""

from __future__ import annotations

import configparser
import re
from functools import cache
from itertools import pairwise

import grimp
import pytest

from tests.checkout import ROOT
from tests.repository.documents import page, tables_of

PAGE = page("shared/docs/architecture.md")
WRITER = "writegate_writer"
LEAST_QUESTIONS = 12

# Through which a command passes; the others are for people and for tests.
ON_THE_WAY = ("worker", "broker", "database", "apply", "schedule", "decide", "handlers", "receive")


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Which package on the way imports which, by name."""
    graph = grimp.build_graph(WRITER, exclude_type_checking_imports=True, cache_dir=None)
    return {
        importer: {
            imported
            for imported in ON_THE_WAY
            if importer != imported
            and graph.direct_import_exists(
                importer=f"{WRITER}.{importer}", imported=f"{WRITER}.{imported}", as_packages=True
            )
        }
        for importer in ON_THE_WAY
    }


def longest_from(name: str, imports: dict[str, set[str]]) -> tuple[str, ...]:
    """Return the longest chain that begins with a package; the layers see to it that there is no circle."""

    @cache
    def chain(first: str) -> tuple[str, ...]:
        return (first, *max((chain(after) for after in sorted(imports[first])), key=len, default=()))

    return chain(name)


def layers() -> list[set[str]]:
    """Return the writer's layers from `.importlinter`, from the top."""
    linter = configparser.ConfigParser()
    linter.read(ROOT / ".importlinter")
    text = linter["importlinter:contract:writer"]["layers"]
    return [{name.strip() for name in re.split(r"[|:]", line)} for line in text.strip().splitlines()]


def chain_on_the_page() -> list[str]:
    [line] = [line for line in PAGE.prose.splitlines() if line.count(" → ") >= 2]
    return re.findall(r"`(\w+)`", line)


def test_the_longest_chain_of_packages_is_that_of_the_imports(imports: dict[str, set[str]]) -> None:
    written = chain_on_the_page()
    longest = max((longest_from(name, imports) for name in ON_THE_WAY), key=len)
    for importer, imported in pairwise(written):
        assert imported in imports[importer], f"{importer} imports {sorted(imports[importer])}, and not {imported}"
    assert len(written) == len(longest), f"{PAGE.name}: the longest chain is now {' → '.join(longest)}"


def test_the_chain_goes_down_the_layers() -> None:
    order = {name: rank for rank, names in enumerate(layers()) for name in names}
    ranks = [order[name] for name in chain_on_the_page()]
    assert ranks == sorted(set(ranks))


def test_every_package_of_the_writer_is_described() -> None:
    described = set(re.findall(r"`(\w+)(?:\.py)?`", " ".join(row[0] for row in tables_of(PAGE, "package")[0])))
    packages = {path.stem for path in (ROOT / "services/writer/src" / WRITER).iterdir()} - {
        "__init__",
        "__pycache__",
        "py",
    }
    assert packages <= described, sorted(packages - described)


def test_questions_are_answered_with_files_that_exist() -> None:
    rows = tables_of(PAGE, "question")[0]
    assert len(rows) >= LEAST_QUESTIONS
    for question, answer in rows:
        files = re.findall(r"`([^`]+)`", answer)
        assert files, question
        assert [name for name in files if not (ROOT / name).is_file()] == [], question


def test_files_of_the_way_exist() -> None:
    """The steps name files relative to the package of their section."""
    packages = ("shared/src/writegate", f"services/writer/src/{WRITER}", "services/console/src/writegate_console")
    roots = [ROOT / package for package in packages]
    named = re.findall(r"`([a-z_]+/[a-z_]+\.py)`", PAGE.prose)
    assert named
    missing = sorted({name for name in named if not any((root / name).is_file() for root in roots)})
    assert missing == []
