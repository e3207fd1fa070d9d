"""Settings: typed, from the environment, with one helpful line when wrong."""

from __future__ import annotations

import pika
import pytest
from kombu import Connection

from writegate.config import PREFIX, Settings, vhost_of
from writegate.errors import SettingsError


def test_every_setting_can_be_given_and_says_what_it_is() -> None:
    urls = {"broker_url": "amqp://u:p@h:1/v", "broker_api_url": "https://u:p@h/", "database_url": "postgresql://h/d"}
    given = {name: urls.get(name, "7") for name in Settings.model_fields}
    given |= {"memory_bytes": "2000000", "batch_bytes": "2000", "spool_bytes": "2000", "when_full": "wait"}
    given |= {"telemetry": "opentelemetry,prometheus", "console_proxies": "10.0.0.7,10.1.0.0/16"}
    loaded = Settings.load({PREFIX + name.upper(): value for name, value in given.items()})
    assert {name: str(value).removesuffix(".0") for name, value in loaded.model_dump().items()} == given
    assert all(field.description for field in Settings.model_fields.values())


def test_other_variables_and_empty_ones_change_nothing() -> None:
    loaded = Settings.load({"PATH": "/bin", "WRITEGATE_SLOTS": "", "WRITEGATE_SOMETHING": "x"})
    assert loaded.model_fields_set == set()
    assert loaded.slots == 4


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SLOTS", "four", "valid integer"),
        ("SLOTS", "0", "greater than or equal to 1"),
        ("CONNECTIONS", "1", "greater than or equal to 2"),
        ("LEASE_SECONDS", "0.5", "greater than or equal to 1"),
        ("PUBLISH_TIMEOUT_SECONDS", "0", "greater than 0"),
        ("TELEMETRY", "statsd", "some of opentelemetry, prometheus, separated by commas"),
        ("CONSOLE_PROXIES", "10.0.0.7/8", "expected addresses or networks"),
        ("HTTP_PORT", "65536", "less than or equal to 65535"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_which_what_and_why(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load({PREFIX + name: value})
    text = str(raised.value)
    assert text.startswith(f"WRITEGATE_{name}: ")
    assert expected in text
    assert f"not {value!r}" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "url", ["localhost", "amqp://", "http://user:secret@host/", "amqps:/user:secret@host", "secret"]
)
def test_a_wrong_url_does_not_give_its_password_away(url: str) -> None:
    with pytest.raises(
        SettingsError, match=r"WRITEGATE_BROKER_URL: expected amqp://user:password@host:port/…"
    ) as raised:
        Settings.load({"WRITEGATE_BROKER_URL": url})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "vhost"),
    [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),  # as Celery's own documentation spells it
        ("/%2F", "/"),
        ("/%2f", "/"),
        ("/orders", "orders"),
        ("//orders", "/orders"),
        ("/a/b", "a/b"),
        ("/a%2Fb", "a/b"),
        ("/a%20b", "a b"),
        ("//?heartbeat=5", "/"),
    ],
)
def test_a_vhost_is_the_same_to_all_who_read_the_url(path: str, vhost: str) -> None:
    """Publishers and `plan` read it with pika, writers with kombu, the management API's clients with our function."""
    url = Settings.load({"WRITEGATE_BROKER_URL": f"amqp://u%40:p@h:5672{path}"}).broker_url
    assert vhost_of(url) == vhost
    assert pika.URLParameters(url).virtual_host == vhost
    assert (Connection(url).virtual_host or "/") == vhost
    assert pika.URLParameters(url).credentials.username == "u@"


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"WRITEGATE_BROKER_URL is not set: expected RabbitMQ, with this"):
        Settings.load({}, need=("broker_url",))
    with pytest.raises(SettingsError, match=r"WRITEGATE_DATABASE_URL is not set"):
        Settings.load({"WRITEGATE_DATABASE_URL": ""}, need=("database_url",))


def test_defaults_are_for_what_the_environment_does_not_say() -> None:
    defaults = {"BROKER_URL": "amqp://default@h/", "publish_waiting": 10, "slots": None, "database_url": ""}
    loaded = Settings.load({"WRITEGATE_BROKER_URL": "amqp://given@h/"}, need=("broker_url",), defaults=defaults)
    assert (loaded.broker_url, loaded.publish_waiting, loaded.slots) == ("amqp://given@h/", 10, 4)
    assert Settings.load({"WRITEGATE_BROKER_URL": ""}, defaults=defaults).broker_url == "amqp://default@h/"


def test_a_default_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"no setting is called BROKERURL: expected some of BROKER_URL, "):
        Settings.load({}, defaults={"BrokerUrl": "amqp://h/"})
