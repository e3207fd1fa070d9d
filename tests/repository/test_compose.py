"""The compose file: understood by a real compose parser, complete, in the right order, and true to the checkout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose import parse

CHECKOUT = Path(__file__).parents[2]
FILE = CHECKOUT / "docker-compose.yml"
SERVICES = {path.parents[2].name for path in CHECKOUT.glob("services/*/src/*/contract.py")}
CONSOLE = "console"
WRITERS = {"writer-1", "writer-2"}
SETTINGS = re.compile(r"\$\{(\w+):-[^}]+\}")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    parsed = parse(FILE)
    assert parsed.returncode == 0, parsed.stderr
    content: dict[str, Any] = yaml.safe_load(parsed.stdout)["services"]
    return content


def test_the_parser_refuses_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(FILE.read_text().replace("service_completed_successfully", "service_hopefully_done"))
    assert parse(wrong).returncode != 0


def test_has_all_parts(services: dict[str, Any]) -> None:
    assert set(services) == {"rabbitmq", "postgres", "apply", *WRITERS, *SERVICES, CONSOLE}
    assert services["rabbitmq"]["image"] == "rabbitmq:4-management"
    assert services["postgres"]["image"] == "postgres:17"


def test_every_long_running_part_has_a_health_check(services: dict[str, Any]) -> None:
    checks = {name: " ".join(part["healthcheck"]["test"]) for name, part in services.items() if name != "apply"}
    assert "rabbitmq-diagnostics -q check_port_connectivity" in checks["rabbitmq"]
    assert "pg_isready" in checks["postgres"]
    assert all("/readyz" in checks[name] for name in WRITERS | SERVICES | {CONSOLE})


def test_apply_runs_once_between_the_servers_and_the_rest(services: dict[str, Any]) -> None:
    def conditions(name: str) -> dict[str, str]:
        return {other: wait["condition"] for other, wait in services[name]["depends_on"].items()}

    servers = {"rabbitmq": "service_healthy", "postgres": "service_healthy"}
    applied = {"rabbitmq": "service_healthy", "apply": "service_completed_successfully"}
    assert services["apply"]["restart"] == "no"
    assert conditions("apply") == servers
    assert all(conditions(name) == servers | applied for name in WRITERS | {CONSOLE})
    assert all(conditions(name) == applied for name in SERVICES)


def test_services_cannot_reach_the_database(services: dict[str, Any]) -> None:
    for name in SERVICES:
        assert set(services[name]["environment"]) == {"WRITEGATE_BROKER_URL", "WRITEGATE_HTTP_PORT"}
        assert services[name]["environment"]["WRITEGATE_BROKER_URL"].startswith(f"amqp://{name}:")


def test_the_console_reads_and_asks(services: dict[str, Any]) -> None:
    environment = services[CONSOLE]["environment"]
    assert environment["WRITEGATE_DATABASE_URL"].startswith("postgresql://writegate_reader:")
    assert environment["WRITEGATE_BROKER_URL"].startswith("amqp://writegate_operator:")


def test_passwords_agree(services: dict[str, Any]) -> None:
    """Whoever logs in does so with the password `apply` or the server gave that user."""
    apply = services["apply"]["environment"]
    for name, part in services.items():
        for variable in ("WRITEGATE_BROKER_URL", "WRITEGATE_DATABASE_URL", "WRITEGATE_BROKER_API_URL"):
            if url := part["environment"].get(variable):
                user, password = re.findall(r"//(\w+):(\w+)@", url)[0]
                given = apply.get(f"WRITEGATE_PASSWORD_{user.upper()}")
                if user == "writegate_owner":
                    given = services["rabbitmq"]["environment"]["RABBITMQ_DEFAULT_PASS"]
                    assert services["postgres"]["environment"]["WRITEGATE_PASSWORD_WRITEGATE_OWNER"] == given
                assert password == given, (name, variable)


def test_ports_are_published_on_the_loopback_address_only(services: dict[str, Any]) -> None:
    published = [str(port) for part in services.values() for port in part.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_variable_has_a_default() -> None:
    text = "\n".join(line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#"))
    assert len(SETTINGS.findall(text)) == text.count("${")


def test_every_file_it_names_exists(services: dict[str, Any]) -> None:
    dockerfile = CHECKOUT / "deploy/docker/Dockerfile"
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", dockerfile.read_text(), re.MULTILINE))
    for part in services.values():
        for volume in part.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert not source.startswith(("/", ".")) or Path(source).is_file(), source
        if "build" in part:
            assert (CHECKOUT / part["build"]["dockerfile"]).samefile(dockerfile)
            assert part["build"]["target"] in targets


def test_images_run_as_an_unprivileged_user_and_hold_what_they_copy() -> None:
    text = (CHECKOUT / "deploy/docker/Dockerfile").read_text()
    stages = {
        name: (base, body)
        for base, name, body in re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL)
    }
    assert re.search(r"^USER \d+$", stages["run"][1], re.MULTILINE)
    for name in ("writer", *SERVICES, CONSOLE):
        base, body = stages[name]
        assert base == "run"
        assert not re.search(r"^USER\b", body, re.MULTILINE)
        assert f"--from=build-{name} " in body
    for source in re.findall(r"^COPY ((?!--)[^\n]+) \S+$", stages["build"][1], re.MULTILINE):
        assert all((CHECKOUT / path).exists() for path in source.split())
