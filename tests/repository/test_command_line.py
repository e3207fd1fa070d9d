"""What every command of `writegate` loads when it starts. Counted in modules: seconds depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO

import pytest

from writegate.cli.main import GROUP, OWN

# Each costs between 30 and 300 ms, or allocates much.
HEAVY = {
    "amqp", "argon2", "celery", "django", "fastapi", "fleet", "flights", "httpx", "jinja2", "kombu", "opentelemetry",
    "pika", "prometheus_client", "psycopg2", "pydantic", "rich", "sqlalchemy", "structlog", "supervisor", "uvicorn",
    "weather", "writegate_console", "writegate_devkit", "writegate_writer",
}  # fmt: skip
CONSOLE = {"psycopg2", "pydantic", "rich", "writegate_console"}
# What a command may load before it knows its arguments: what it works with.
MAY_LOAD = {
    "contracts": {"pydantic", "rich"},
    "publish": {"pydantic", "pika"},
    "apply": {"httpx", "pika", "psycopg2", "pydantic", "rich", "sqlalchemy", "writegate_writer"},
    "check": {"psycopg2", "pydantic", "rich", "sqlalchemy", "writegate_writer"},
    "connections": CONSOLE,
    "console": (CONSOLE | {"argon2"}) - {"psycopg2"},
    "deferred": CONSOLE | {"pika"},
    "drain": CONSOLE | {"httpx"},
    "hold": CONSOLE | {"pika"},
    "parked": CONSOLE | {"pika"},
    "plan": {"httpx", "pika", "psycopg2", "pydantic", "rich", "sqlalchemy", "writegate_writer"},
    "release": CONSOLE | {"pika"},
    "service new": {"pika", "pydantic", "supervisor", "writegate_devkit"},
    "service remove": {"httpx", "pika", "psycopg2", "pydantic", "rich", "sqlalchemy", "writegate_writer"},
    "skip": CONSOLE | {"pika"},
    "stack": {"pika", "pydantic", "rich", "supervisor", "writegate_devkit"},
    "status": CONSOLE | {"httpx"},
    "trace": CONSOLE,
    "who": CONSOLE,
}
COMMANDS = sorted({command.name.replace(".", " ") for command in (*OWN, *entry_points(group=GROUP))})


def loaded_by(*arguments: str) -> set[str]:
    """Return the heavy packages that the command line loads when it shows the help of ``arguments``."""
    program = (
        "import json, sys\nfrom writegate.cli.main import main\nsys.argv = ['writegate', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments, "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage: writegate" in done.stdout
    return HEAVY & set(json.loads(done.stderr))


def output_of(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("writegate")), *arguments],
        env={**os.environ, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_overview_loads_no_command_and_a_group_none_either() -> None:
    assert loaded_by() == set()
    assert loaded_by("service") <= {"pydantic"}  # typer's own
    assert {line.split()[0] for line in output_of("service", "--help").partition("Commands:\n")[2].splitlines()} == {
        "new",
        "remove",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_loads_what_it_works_with(command: str) -> None:
    assert loaded_by(*command.split()) <= MAY_LOAD.get(command, set())


def test_the_overview_explains_every_command_on_one_line_each() -> None:
    lines = output_of("--help").partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == [
        *(command.name for command in OWN),
        *sorted({command.split()[0] for command in COMMANDS} - {"contracts", "publish"}),
    ]
    for line in lines:
        assert len(line) <= 80
        assert len(line.split()) > 3
        assert not line.endswith("...")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["contracts", "contracts --json", "plan --render sql", "--help", "--version"])
def test_output_that_cannot_be_written_is_one_line_and_a_reader_that_left_is_none(words: str, unbuffered: str) -> None:
    line = [str(Path(sys.executable).with_name("writegate")), *words.split()]

    def said(output: IO[str] | int) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(line, env=environment, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stderr

    with Path("/dev/full").open("w") as full:
        assert said(full) == (1, "writegate: [Errno 28] No space left on device\n")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert said(writer) == (1, "")
    finally:
        os.close(writer)


def test_the_version_names_every_distribution_with_commands() -> None:
    names = [line.split()[0] for line in output_of("--version").splitlines()]
    assert names == ["writegate", "writegate-console", "writegate-devkit", "writegate-writer", "Python"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [("writegate stat", "status"), ("writegate parked sh", "show"), ("writegate plan --js", "--json")],
)
def test_a_shell_completes_commands_and_options(line: str, offered: str) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    assert output_of(_WRITEGATE_COMPLETE="complete_bash", **words).split() == [offered]
    assert f'"{offered}"' in output_of(_WRITEGATE_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)
