"""A new service: what it may be called, what is made of it, and that nothing is changed when something is wrong.

It is called as nobody calls one: these tests are run in checkouts that have the service of the README, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import copied
from writegate.errors import DeclarationError, WritegateError
from writegate_devkit.scaffold.names import check_key, check_name
from writegate_devkit.scaffold.scaffold import planned, write
from writegate_devkit.stack import environment
from writegate_devkit.stack.programs import PORTS

BIN = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copied(tmp_path / "checkout")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that no test changes: to copy one takes longer than such a test."""
    return copied(tmp_path_factory.mktemp("untouched") / "checkout")


def content(checkout: Path) -> dict[str, str]:
    files = (path for path in checkout.rglob("*") if path.is_file())
    return {str(path.relative_to(checkout)): path.read_text(errors="replace") for path in files}


def run(checkout: Path, *line: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, cwd=checkout, capture_output=True, text=True, check=False)


def service_new(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(checkout, sys.executable, "-m", "writegate", "service", "new", *arguments)


def test_one_folder_is_made_and_no_other_file_changes(checkout: Path) -> None:
    before = content(checkout)
    printed = json.loads(service_new(checkout / "services", "newcomer", "--lanes", "2", "--json").stdout)
    after = content(checkout)
    assert set(after) - set(before) == {f"services/newcomer/{name}" for name in printed["made"]}
    assert {name for name in before if before[name] != after.get(name)} == set()
    assert not list(checkout.glob("services/.*"))


def test_whatever_it_is_called_the_checkout_is_clean(checkout: Path) -> None:
    # Before, between and after our own packages' names, words of SQL, and the longest that it takes.
    for name, key in (("a", "id"), ("order", "user"), ("tests_2", "type"), ("zz_9", "check"), ("b" * 30, "k" * 30)):
        write(planned(checkout, name, 3, key))
    for tool in (("ruff", "check", "--no-cache"), ("ruff", "format", "--check", "--no-cache")):
        done = run(checkout, sys.executable, "-m", *tool)
        assert done.returncode == 0, done.stdout
    # It needs what is locked already: the set-up installs it as it is, and `make lock` adds it at any later time.
    exported = run(checkout, BIN / "uv", "export", "--quiet", "--frozen", "--offline", "--all-packages", "--all-extras")
    assert exported.returncode == 0, exported.stderr
    relocked = run(checkout, BIN / "uv", "lock", "--offline")
    assert relocked.returncode == 0, relocked.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Invoices", "expected lower-case letters"),
        ("in-voices", "expected lower-case letters"),
        ("newcomer_", "expected lower-case letters"),
        ("", "expected lower-case letters"),
        ("a" * 31, "at most 30"),
        ("writegate", "is reserved"),
        ("any", "is reserved"),
        ("reader", "is reserved"),
        ("feed", "is reserved"),
        ("writegate_x", "is reserved"),
        ("pg_x", "is reserved"),
        ("class", "a word of Python"),
        ("json", "a module that is there"),
        ("psycopg2", "a module that is there"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        check_name(name)


@pytest.mark.parametrize("name", sorted({"admin", *PORTS, *environment.PROCESSES, *environment.users(), "supervisord"}))
def test_no_service_is_called_as_something_of_the_stack(name: str) -> None:
    """Its port, its password or its log would be that of the other."""
    with pytest.raises(DeclarationError):
        check_name(name)


@pytest.mark.parametrize("key", ["1st", "a-b", "", "from", "amount", "model_x", "copy", "command_id", "xmin", "_id"])
def test_a_key_that_cannot_be_is_refused(key: str) -> None:
    with pytest.raises(DeclarationError, match="key '"):
        check_key(key)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("weather",), 1, "a module that is there"),
        (("writer",), 1, "is reserved"),
        (("rows",), 1, "has something else of that name"),
        (("flask_login", "--key", "a b"), 1, "key 'a b'"),
        (("newcomer", "--lanes", "0"), 2, "--lanes"),
        ((), 2, "NAME"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_changed(
    untouched: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    before = content(untouched)
    done = service_new(untouched, *arguments)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert code == 2 or done.stderr.count("\n") == 1
    assert content(untouched) == before


def test_a_service_that_is_there_stays_as_it_is(checkout: Path) -> None:
    assert service_new(checkout, "newcomer").returncode == 0
    before = content(checkout)
    done = service_new(checkout, "newcomer", "--lanes", "2")
    assert (done.returncode, done.stderr.startswith("writegate: there is a service newcomer already")) == (1, True)
    assert content(checkout) == before


def test_outside_of_a_checkout_it_says_so(tmp_path: Path) -> None:
    done = service_new(tmp_path, "newcomer")
    assert (done.returncode, "no Writegate checkout" in done.stderr) == (1, True)


def test_a_disk_that_refuses_changes_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "services/newcomer")

    before = content(checkout)
    monkeypatch.setattr(Path, "rename", full)  # the last step
    with pytest.raises(WritegateError, match="cannot write"):
        write(planned(checkout, "newcomer", 1, "id"))
    assert content(checkout) == before
    assert not list(checkout.glob("services/.*"))
