"""Each service, installed as another team would: its base is a contract, its app has no database driver."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from writegate.contract.targets import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
# Where the name of a project's folder is not that of its package.
PACKAGES = {
    "shared": "writegate",
    "devkit": "writegate_devkit",
    "writer": "writegate_writer",
    "console": "writegate_console",
}
SERVICES = sorted(path.parents[2].name for path in ROOT.glob("services/*/src/*/contract.py"))
DATABASE = ("sqlalchemy", "psycopg2", "writegate_writer")
# What starts an app where it is not `<service>.app`; importing it must be enough to find out what is missing.
APPS = {"fleet": "fleet.asgi", "weather": "weather.dataset"}
# An app makes its publisher when it is imported; nobody listens there, and nothing is published.
SETTINGS = {"WRITEGATE_BROKER_URL": "amqp://nobody:nothing@127.0.0.1:1/"}


def run(*command: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program that knows nothing of this environment or checkout; ``more`` are variables it gets."""
    hidden = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | package_index() | SETTINGS
    return subprocess.run(command, cwd=cwd, env=environment | more, capture_output=True, text=True, check=False)


def output_of(*command: str | Path, cwd: Path, **more: str) -> str:
    done = run(*command, cwd=cwd, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache  # to ask pip takes 0.3 s of CPU, and every program that is run here needs the answer
def package_index() -> dict[str, str]:
    """Point uv to where this machine's pip gets packages, as the set-up does."""
    trust = {"UV_SYSTEM_CERTS": "1"} if Path("/etc/ssl/certs/ca-certificates.crt").exists() else {}
    if any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE")):
        return trust
    asked = subprocess.run(["pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False)
    index = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return trust | ({"UV_DEFAULT_INDEX": index} if index else {})


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of everything of ours."""
    built = tmp_path_factory.mktemp("wheels")
    ours = ("shared", "shared/devkit", "services/writer", "services/console")
    for project in (*ours, *(f"services/{name}" for name in SERVICES)):
        output_of(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built), cwd=ROOT / project)
    return built


@pytest.fixture
def uv() -> Path:
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found, f"no uv beside {sys.executable} or in PATH: run `make setup`"
    return Path(found)


def locked(uv: Path, distribution: str, extra: str = "") -> list[str]:
    """What the lock file says that a distribution of ours needs, itself included: requirements, paths for ours."""
    chosen = ("--extra", extra) if extra else ()
    plain = ("--no-dev", "--no-hashes", "--no-annotate", "--no-header")
    return output_of(
        uv, "export", "--quiet", "--frozen", "--package", distribution, *chosen, *plain, cwd=ROOT
    ).splitlines()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside")


@pytest.fixture
def where(outside: Path) -> Path:
    """Where an environment is made, the same place for each: what one has compiled is there for the next."""
    shutil.rmtree(outside / "environment", ignore_errors=True)
    return outside / "environment"


class Environment:
    """A throw-away environment with one of our distributions and what the lock file says that it needs."""

    def __init__(self, uv: Path, wheels: Path, where: Path, distribution: str, extra: str = "") -> None:
        self._outside = where.parent
        self.python = where / "bin" / "python"
        theirs: list[str] = []
        ours: list[Path] = []
        for line in locked(uv, distribution, extra):
            if line.startswith(("-e ", ".")):
                project = line.removeprefix("-e ").rpartition("/")[2]
                ours += wheels.glob(f"{PACKAGES.get(project, project)}-*.whl")
            else:
                theirs.append(line)
        assert ours
        requirements = where.with_suffix(".txt")
        requirements.write_text("\n".join(theirs))
        output_of(uv, "venv", "--quiet", "--python", sys.executable, where, cwd=self._outside)
        install = (uv, "pip", "install", "--quiet", "--no-deps", "--python", self.python)
        output_of(*install, "--requirements", requirements, *ours, cwd=self._outside)

    def imports(self, module: str) -> bool:
        done = self._run(self.python, "-c", f"import {module}")
        assert done.returncode == 0 or "ModuleNotFoundError" in done.stderr, done.stderr
        return done.returncode == 0

    def prints(self, program: str) -> str:
        done = self._run(self.python, "-c", program)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def writegate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(self.python.with_name("writegate"), *arguments)

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return run(*command, cwd=self._outside, PYTHONPYCACHEPREFIX=str(self._outside / "bytecode"))


@pytest.mark.parametrize("service", SERVICES)
def test_the_base_is_the_contract(uv: Path, wheels: Path, where: Path, service: str) -> None:
    base = Environment(uv, wheels, where, service)
    assert base.imports(f"{service}.contract")
    found = base.prints("from writegate.catalog import installed_services; print(*installed_services())")
    assert set(found.split()) == {service, BUILT_IN}
    assert [name for name in (*DATABASE, "celery", "django", "fastapi") if base.imports(name)] == []
    more = set(locked(uv, service)) - set(locked(uv, "writegate"))
    assert more == {f"-e ./services/{service}"}, "the base needs more than the library"


@pytest.mark.parametrize("service", SERVICES)
def test_the_app_has_no_database_driver(uv: Path, wheels: Path, where: Path, service: str) -> None:
    app = Environment(uv, wheels, where, service, "app")
    assert app.imports(APPS.get(service, f"{service}.app"))
    assert [name for name in DATABASE if app.imports(name)] == []
    assert not app.imports(f"{service}.writes")


@pytest.mark.parametrize("service", SERVICES)
def test_what_the_writer_loads_carries_its_migrations(uv: Path, wheels: Path, where: Path, service: str) -> None:
    writes = Environment(uv, wheels, where, service, "writes")
    found = writes.prints(
        f"from {service}.writes import writes; writes.check();"
        "from writegate_writer.handlers.loading import migrations_of;"
        "print(*(path.name for path in migrations_of(writes)))"
    )
    expected = sorted(path.name for path in (ROOT / "services" / service / "migrations").glob("*.sql"))
    assert found.split() == expected
    assert expected


def test_the_reading_commands_bring_no_writer(uv: Path, wheels: Path, where: Path) -> None:
    console = Environment(uv, wheels, where, "writegate-console")
    names = (
        "from importlib.metadata import entry_points; print(*sorted(entry_points(group='writegate.commands').names))"
    )
    assert {"connections", "status", "trace", "who"} <= set(console.prints(names).split())
    assert all(console.imports(f"writegate_console.cli.{name}") for name in ("connections", "status", "trace", "who"))
    assert [name for name in ("sqlalchemy", "writegate_writer") if console.imports(name)] == []
    assert not console.imports("writegate_console.cli.console"), "the page is an extra"


def test_the_page_brings_no_writer_and_all_its_files(uv: Path, wheels: Path, where: Path) -> None:
    console = Environment(uv, wheels, where, "writegate-console", "page")
    assert console.imports("writegate_console.web.application")
    assert [name for name in ("celery", "sqlalchemy", "writegate_writer") if console.imports(name)] == []
    rendered = console.prints(
        "from writegate_console.web.views.rendering import ENVIRONMENT, STATIC;"
        "templates = [ENVIRONMENT.get_template(name) for name in ENVIRONMENT.list_templates()];"
        "print(len(templates), len(list(STATIC.iterdir())))"
    )
    assert all(int(count) > 3 for count in rendered.split())


COMMANDS = "from importlib.metadata import entry_points; print(*entry_points(group='writegate.commands').names)"


def test_the_command_line_has_no_stack_and_says_where_it_is(uv: Path, wheels: Path, where: Path) -> None:
    cli = Environment(uv, wheels, where, "writegate", "cli")
    assert cli.prints(COMMANDS).split() == []
    assert [name for name in (*DATABASE, "supervisor", "writegate_devkit") if cli.imports(name)] == []
    for line in (("stack", "up"), ("service", "new", "invoices")):
        done = cli.writegate(*line)
        expected = f"writegate: `{line[0]}` is a command of writegate-devkit, which is not installed here: "
        assert (done.returncode, done.stderr) == (1, f"{expected}install writegate-devkit\n")
    assert cli.writegate("contracts").returncode == 0


def test_the_devkit_brings_both_commands_and_all_its_files(uv: Path, wheels: Path, where: Path) -> None:
    devkit = Environment(uv, wheels, where, "writegate-devkit")
    assert set(devkit.prints(COMMANDS).split()) == {"service.new", "stack"}
    assert [name for name in (*DATABASE, "celery") if devkit.imports(name)] == []
    assert devkit.imports("supervisor")
    for line in (("stack", "up", "--help"), ("service", "new", "--help")):
        done = devkit.writegate(*line)
        assert done.returncode == 0, done.stderr
    found = devkit.prints(
        "from pathlib import Path; import writegate_devkit;"
        "print(len(list(Path(writegate_devkit.__file__).parent.rglob('*.template'))))"
    )
    assert int(found) == len(list((ROOT / "shared/devkit/src").rglob("*.template")))


def installed_in_images() -> list[str]:
    """What the Dockerfile gives to its install script, an image each: as for weather where any service can be named."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text()
    lines = re.findall(r"^RUN sh deploy/docker/install (.+)$", text, re.MULTILINE)
    environment = {"PATH": os.environ["PATH"], "SERVICE": "weather"}
    words = (subprocess.check_output(["sh", "-c", f"echo {line}"], cwd=ROOT, env=environment) for line in lines)
    return [found.decode().strip() for found in words]


@pytest.mark.parametrize("line", installed_in_images())
def test_no_image_asks_for_the_devkit(uv: Path, line: str) -> None:
    assert line
    for project in line.split():
        folder, _, extra = project.rstrip("]").partition("[")
        distribution = PACKAGES.get(folder, folder).replace("_", "-")
        needed = locked(uv, distribution, extra)
        assert needed
        assert [requirement for requirement in needed if "devkit" in requirement or "supervisor" in requirement] == []


def test_an_image_of_a_service_is_made_without_the_devkit(uv: Path, tmp_path: Path) -> None:
    """The build context has the devkit's pyproject.toml, which the workspace names, and nothing else of it."""
    context, environment = tmp_path / "context", tmp_path / "environment"
    shutil.copytree(ROOT / "shared", context / "shared", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    shutil.rmtree(context / "shared/devkit/src")
    shutil.copytree(ROOT / "services", context / "services", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    shutil.copytree(ROOT / "deploy/docker", context / "deploy/docker")
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, context / name)
    output_of(uv, "venv", "--quiet", "--python", sys.executable, environment, cwd=tmp_path)
    variables = {"VIRTUAL_ENV": str(environment), "PATH": f"{uv.parent}:{os.environ['PATH']}"}
    output_of("sh", "deploy/docker/install", "flights[app]", cwd=context, **variables)
    there = "from importlib.metadata import distributions; print(*(found.name for found in distributions()))"
    names = output_of(environment / "bin/python", "-c", there, cwd=tmp_path).split()
    assert {"flights", "writegate"} <= set(names)
    assert {"supervisor", "writegate-devkit", "writegate-writer"} & set(names) == set()
