"""Markdown as the tests read it: blocks of code, headings, links.

A block of `python` or `console` is run by a test (see `test_documents.py` and its neighbours) unless an invisible
comment directly before it says why not::

    <!-- not run: it takes an hour -->

``<!-- exits with 2 -->`` before a console block says how its last command ends; all others end with 0. In a console
block ``$ `` begins a command and ``> `` continues it; every other line is output, in which ``…`` stands for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.checkout import ROOT, tracked

LANGUAGES = frozenset({"console", "dockerfile", "ini", "json", "python", "sql", "text", "yaml"})
RUN = frozenset({"console", "python"})

_FENCE = re.compile(r"(?P<indent> *)```(?P<language>\S*)\s*")
_COMMENT = re.compile(r"<!-- (not run|exits with):? (.+) -->", re.DOTALL)
_LINK = re.compile(r"!?\[(?P<text>(?:[^\]\[]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"#{1,6} (?P<text>.+?)\s*")


@dataclass(frozen=True)
class ShellCommand:
    """One command of a console block, and the lines of output that are shown after it."""

    text: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block. ``not_run``: the reason why no test runs it, empty when one does."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str
    exit_code: int

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def path(self) -> str | None:
        """The file that the block stands for, when its first line is a comment that names one."""
        found = re.match(r"(?:#|--) (\S+/\S+\.\w+)\n", self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[ShellCommand]:
        """The commands of a console block."""
        found: list[ShellCommand] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(ShellCommand(line[2:], ()))
            elif not found:
                raise AssertionError(f"{self}: a console block begins with `$ `, not with {line!r}")
            elif line.startswith("> ") and not found[-1].output:
                found[-1] = ShellCommand(f"{found[-1].text}\n{line[2:]}", ())
            else:
                found[-1] = ShellCommand(found[-1].text, (*found[-1].output, line))
        return found


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def blocks(self) -> list[Block]:
        return list(_blocks(self))

    @cached_property
    def prose(self) -> str:
        """The text without blocks, line by line: what is inside a block is an empty line."""
        lines = self.text.splitlines()
        for start, end in _spans(lines):
            lines[start:end] = [""] * (end - start)
        return "\n".join(lines)

    @property
    def links(self) -> list[str]:
        """Targets of links, images included; code in backquotes holds none."""
        return [found["target"] for found in _LINK.finditer(re.sub(r"`(?:[^`\n]|\n(?!\n))*`", "", self.prose))]

    @cached_property
    def anchors(self) -> set[str]:
        """What `#…` may name on this page: a slug of each heading, as GitHub makes them."""
        seen: dict[str, int] = {}
        anchors: set[str] = set()
        for line in self.prose.splitlines():
            if found := _HEADING.fullmatch(line):
                slug = slug_of(found["text"])
                count = seen[slug] = seen.get(slug, -1) + 1
                anchors.add(f"{slug}-{count}" if count else slug)
        return anchors


def slug_of(heading: str) -> str:
    """Return the anchor that GitHub makes of a heading: lower case, no punctuation, hyphens for spaces."""
    text = _LINK.sub(lambda link: link["text"], heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def page(name: str) -> Page:
    """Return a page by its path in the repository."""
    path = ROOT / name
    return Page(path, path.read_text())


def pages() -> list[Page]:
    """Every Markdown file of the repository."""
    return [Page(path, path.read_text()) for path in sorted(tracked("*.md"))]


def _spans(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of the first line of each block and of the one after it, fences included."""
    start: int | None = None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if start is None:
            start = number
        else:
            yield start, number + 1
            start = None
    assert start is None, f"a block that begins in line {(start or 0) + 1} has no end"


def _blocks(page: Page) -> Iterator[Block]:
    lines = page.text.splitlines()
    for start, end in _spans(lines):
        fence = _FENCE.fullmatch(lines[start])
        assert fence is not None, f"{page.name}:{start + 1}: expected ``` and a language, got {lines[start]!r}"
        indent = len(fence["indent"])
        text = "".join(f"{line[indent:]}\n" for line in lines[start + 1 : end - 1])
        comments = dict(_comments_before(lines, start))
        yield Block(
            page.path,
            start + 1,
            fence["language"],
            text,
            comments.get("not run", ""),
            int(comments.get("exits with", 0)),
        )


def _comments_before(lines: list[str], start: int) -> Iterator[tuple[str, str]]:
    """Yield the comments of ours directly before a block; each may take several lines."""
    end = start
    while end and lines[end - 1].rstrip().endswith("-->"):
        begin = end - 1
        while begin and not lines[begin].lstrip().startswith("<!--"):
            begin -= 1
        comment = " ".join(line.strip() for line in lines[begin:end])
        found = _COMMENT.fullmatch(comment)
        if found is None:
            return
        yield found[1], found[2]
        end = begin


def tables_of(page: Page, first_heading: str) -> list[list[list[str]]]:
    """Return the rows of each table whose first column has this heading, each a list of cells."""
    found: list[list[list[str]]] = []
    lines = page.prose.splitlines()
    for number, line in enumerate(lines):
        if not re.match(rf"\| {re.escape(first_heading)} \|", line):
            continue
        rows = []
        for row in lines[number + 2 :]:
            if not row.startswith("|"):
                break
            rows.append([cell.strip() for cell in row.strip().strip("|").split(" | ")])
        found.append(rows)
    return found
