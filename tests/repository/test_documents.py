"""Every document: blocks are run or say why not, links lead somewhere, lines are short enough to read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.checkout import ROOT, tracked
from tests.repository.documents import LANGUAGES, RUN, Block, Page, page, pages, slug_of

MAX_LINE = 120
MAX_README_LINES = 170

# A placeholder, and a program that each Django project has.
NOT_OF_OURS = {"shared/adr/NNNN-title.md", "manage.py", "compose.yml", "supervisor.conf"}

ALL = pages()
FILES = [str(path.relative_to(ROOT)) for path in tracked()]


def named(name: str) -> Page:
    [found] = [one for one in ALL if one.name == name]
    return found


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
def test_blocks_name_a_known_language(document: Page) -> None:
    wrong = [f"{block}: {block.language or 'none'}" for block in document.blocks if block.language not in LANGUAGES]
    assert not wrong, f"expected one of {', '.join(sorted(LANGUAGES))}: {wrong}"


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
def test_console_blocks_can_be_read(document: Page) -> None:
    for block in document.blocks:
        if block.language == "console":
            assert block.commands


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
def test_a_reason_why_a_block_is_not_run_names_files_that_exist(document: Page) -> None:
    for block in document.blocks:
        if block.not_run:
            assert block.language in RUN, f"{block}: no test would run a block of {block.language}"
            assert len(block.not_run.split()) >= 3, f"{block}: expected a reason, got {block.not_run!r}"
            missing = [name for name in re.findall(r"[\w/.-]+\.py\b", block.not_run) if not (ROOT / name).is_file()]
            assert not missing, f"{block}: {missing}"


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Page) -> None:
    wrong = [target for target in document.links if not _leads_somewhere(document, target)]
    assert not wrong, f"{document.name}: {wrong}"


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
def test_lines_are_short_enough_to_read(document: Page) -> None:
    too_long = [
        f"{document.name}:{number}: {len(line)} characters"
        for number, line in enumerate(document.prose.splitlines(), 1)
        if len(line) > MAX_LINE and not line.lstrip().startswith("|") and "://" not in line
    ]
    blocks = [
        f"{block}: a line of {max(map(len, block.text.splitlines()))} characters"
        for block in document.blocks
        if block.text and max(map(len, block.text.splitlines())) > MAX_LINE
    ]
    assert not [*too_long, *blocks], f"expected at most {MAX_LINE} characters: {[*too_long, *blocks]}"


def test_the_readme_fits_on_a_few_screens() -> None:
    lines = len(page("README.md").text.splitlines())
    assert lines <= MAX_README_LINES, f"README.md has {lines} lines: what is more belongs into shared/docs"


def test_the_readme_leads_to_every_document() -> None:
    linked = {target.partition("#")[0] for target in named("README.md").links}
    documents = {one.name for one in ALL if one.name.startswith(("shared/docs/", "services/", "deploy/"))}
    missing = sorted(documents - linked)
    assert not missing, f"expected a link to each in the README's index of documents: {missing}"


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
def test_files_that_a_document_names_exist(document: Page) -> None:
    names = set(re.findall(r"`([\w./-]*\w\.(?:py|sql|yml|conf|md|toml))`", document.prose)) - NOT_OF_OURS
    missing = sorted({name for name in names if not any(f"/{path}".endswith(f"/{name}") for path in FILES)})
    assert not missing, f"{document.name}: no file ends with any of {missing}"


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
def test_make_targets_that_a_document_names_exist(document: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = [block.text for block in document.blocks if block.language == "console"]
    code += re.findall(r"`([^`]+)`", document.prose)
    calls = [found for text in code for found in re.findall(r"(?:^|[$;&] )make ((?:[a-z-]+ ?)+)", text, re.MULTILINE)]
    missing = sorted({name for names in calls for name in names.split()} - targets)
    assert not missing, f"{document.name}: the Makefile has no {missing}"


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "shared/adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def _leads_somewhere(document: Page, target: str) -> bool:
    if target.startswith(("http://", "https://", "mailto:")):
        return True
    path, _, anchor = unquote(target).partition("#")
    if not path:
        return anchor in document.anchors
    found = (document.path.parent / path).resolve()
    if not found.exists():
        return False
    return not anchor or (found.suffix == ".md" and anchor in Page(found, found.read_text()).anchors)


# The tests above are about what is there; these are about the tests themselves.


@pytest.fixture
def document(tmp_path: Path) -> Callable[[str], Page]:
    def made(text: str) -> Page:
        path = ROOT / "shared/docs/page-of-a-test.md"  # it is not written
        return Page(path, text)

    return made


def test_a_page_is_read_as_github_shows_it(document: Callable[[str], Page]) -> None:
    read = document(
        "# A `first` page: what, why?\n\n## Twice\n\n## Twice\n\n[a](#twice-1) [b](nowhere.md) `[no](link)`\n\n"
        "<!-- not run: for a\n     reason -->\n```python\n# not a heading\n```\n\n"
        "<!-- exits with 2 -->\n```console\n$ first \\\n> more\nshown\n$ second\n```\n"
    )
    assert read.anchors == {"a-first-page-what-why", "twice", "twice-1"}
    assert [target for target in read.links if not _leads_somewhere(read, target)] == ["nowhere.md"]
    first, second = read.blocks
    assert (first.not_run, first.line) == ("for a reason", 11)
    assert (second.not_run, second.exit_code) == ("", 2)
    assert [(command.text, command.output) for command in second.commands] == [
        ("first \\\nmore", ("shown",)),
        ("second", ()),
    ]


def test_slugs_are_those_of_github() -> None:
    assert slug_of("What it promises, and what not") == "what-it-promises-and-what-not"
    assert slug_of("`writegate plan` and [apply](x.md)") == "writegate-plan-and-apply"


def test_a_block_names_its_file() -> None:
    block = Block(ROOT / "README.md", 1, "python", "# services/a/src/a/contract.py\nx = 1\n", "", 0)
    assert block.path == "services/a/src/a/contract.py"
