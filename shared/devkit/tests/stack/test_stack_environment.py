"""The settings that each process gets, those it does not get, and that they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from writegate_devkit.stack.environment import environment, users
from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.home import Home, create
from writegate_devkit.stack.programs import PORTS, apps
from writegate_devkit.stack.stack_state import StackState, read_state, renew, with_passwords

CHECKOUT = Path(__file__).parents[4]
APPS = apps(CHECKOUT)
STATE = StackState(
    ports={name: 20_000 + place for place, name in enumerate((*PORTS, *APPS))},
    settings={"WRITEGATE_CONNECTIONS": "5", "WRITEGATE_SLOTS": "4"},
    passwords={user: f"password-of-{user}" for user in users()},
)

OWN = {"writer": "writegate_writer", "writer-1": "writegate_writer", "reader": "writegate_reader", "feed": "flights"}


def test_a_service_gets_the_broker_and_nothing_else() -> None:
    settings = environment("flights", STATE)
    assert (
        settings["WRITEGATE_BROKER_URL"]
        == f"amqp://flights:password-of-flights@127.0.0.1:{STATE.ports['rabbitmq']}/%2F"
    )
    assert settings["WRITEGATE_HTTP_PORT"] == str(STATE.ports["flights"])
    assert "WRITEGATE_DATABASE_URL" not in settings


def test_each_writer_answers_on_a_port_of_its_own() -> None:
    ports = {environment(name, STATE)["WRITEGATE_HEALTH_PORT"] for name in ("writer-1", "writer-2")}
    assert len(ports) == 2


@pytest.mark.parametrize("name", ["writer", "writer-1", "reader", *(name for name in APPS if name != "console")])
def test_only_the_owner_knows_passwords_of_others(name: str) -> None:
    own = OWN.get(name, name)
    text = str(environment(name, STATE))
    assert [user for user, password in STATE.passwords.items() if password in text] == [own]


def test_the_console_reads_and_asks() -> None:
    settings = environment("console", STATE)
    assert settings["WRITEGATE_DATABASE_URL"].startswith("postgresql://writegate_reader:")
    assert settings["WRITEGATE_BROKER_URL"].startswith("amqp://writegate_operator:")
    assert settings["WRITEGATE_HTTP_PORT"] == str(STATE.ports["console"])


def test_the_owner_can_give_every_user_its_password_and_is_not_the_superuser() -> None:
    settings = environment("owner", STATE)
    assert {name for name in settings if name.startswith("WRITEGATE_PASSWORD_")} == {
        f"WRITEGATE_PASSWORD_{user.upper()}" for user in users() if user not in {"postgres", "writegate_owner"}
    }
    assert STATE.passwords["postgres"] not in str(settings)


def test_names_the_processes_it_knows() -> None:
    with pytest.raises(StackError, match=r"no process named 'postgres'.*owner, writer, reader"):
        environment("postgres", STATE)


def test_remembers_ports_and_passwords_but_not_settings(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "state", tmp_path / "state")
    create(home)
    first = renew(home, port_names=PORTS, users=users(), settings={"WRITEGATE_SLOTS": "2"})
    assert read_state(home) == first
    spool = str(tmp_path / "state" / "spool")
    assert first.settings == {
        "WRITEGATE_CONNECTIONS": "5",
        "WRITEGATE_SLOTS": "2",
        "WRITEGATE_SPOOL_DIRECTORY": spool,
    }
    again = renew(home, port_names=PORTS, users=[*users(), "new"], settings={})
    assert again.ports == first.ports
    assert first.passwords.items() < again.passwords.items()
    assert again.settings["WRITEGATE_SLOTS"] == "4"
    secret = home.state / "passwords.json"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_a_service_that_was_installed_since_gets_a_password(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "state", tmp_path / "state")
    create(home)
    before = renew(home, port_names=PORTS, users=["flights"], settings={})
    after = with_passwords(home, ["flights", "new"])
    assert read_state(home) == after
    assert (after.passwords["flights"], set(after.passwords)) == (before.passwords["flights"], {"flights", "new"})
    assert with_passwords(home, ["new"]) == after


def test_the_apps_are_those_that_supervisord_runs() -> None:
    assert {name: " ".join(line.split()[:2]) for name, line in APPS.items() if name in {"flights", "weather"}} == {
        "flights": "%(ENV_WRITEGATE_BIN)s/uvicorn flights.app:app",
        "weather": "%(ENV_WRITEGATE_BIN)s/python -m",
    }


def test_a_stack_that_was_never_started_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="writegate stack up"):
        read_state(Home(tmp_path, tmp_path, tmp_path))
