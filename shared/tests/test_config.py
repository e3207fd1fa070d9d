"""Settings: typed, from the environment, with one helpful line when wrong."""

from __future__ import annotations

import pika
import pytest
from kombu import Connection
from pydantic import ValidationError

from writegate.config import PREFIX, Settings
from writegate.errors import SettingsError
from writegate.urls import vhost_of, without_user


def test_every_setting_can_be_given_and_says_what_it_is() -> None:
    urls = {"broker_url": "amqp://u:p@h:1/v", "broker_api_url": "https://u:p@h/", "database_url": "postgresql://h/d"}
    given = {name: urls.get(name, "7") for name in Settings.model_fields}
    given |= {
        "memory_bytes": "2000000",
        "batch_bytes": "2000",
        "spool_bytes": "2000",
        "parked_bytes": "2000",
        "http_body_bytes": "2000",
        "when_full": "wait",
    }
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
        SettingsError, match=r"WRITEGATE_BROKER_URL: expected amqp://user:password@host:port/vhost"
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
    ],
)
def test_a_vhost_is_the_same_to_all_who_read_the_url(path: str, vhost: str) -> None:
    """Publishers and `plan` read it with pika, writers with kombu, the management API's clients with our function."""
    url = Settings.load({"WRITEGATE_BROKER_URL": f"amqp://u%40:p@h:5672{path}"}).broker_url
    assert vhost_of(url) == vhost
    assert pika.URLParameters(url).virtual_host == vhost
    assert (Connection(url).virtual_host or "/") == vhost
    assert pika.URLParameters(url).credentials.username == "u@"


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("BROKER_URL", "amqp://u@h/", "it has no password for the user u"),
        ("BROKER_URL", "amqp://u:@h/", "it has no password for the user u"),
        ("BROKER_URL", "amqp://h/", "it names no user"),
        ("BROKER_URL", "amqp://u:secret@h/?colour=red", "it has colour=red: leave it out"),
        ("BROKER_URL", "amqp://u:secret@h/?heartbeat=abc", "set WRITEGATE_HEARTBEAT_SECONDS instead"),
        ("BROKER_URL", "amqp://u:secret@h/?heartbeat=10", "set WRITEGATE_HEARTBEAT_SECONDS instead"),
        ("BROKER_URL", "amqp://u:secret@h/?heartbeat", "expected options such as ?name=value"),
        ("BROKER_URL", "amqp://u:secret@h:abc/", "port or host cannot be read"),
        ("BROKER_URL", "amqp://u:sec/secret@h/", "port or host cannot be read"),
        ("BROKER_URL", "amqp://u:secret@h/?ssl_options={'ca_certs':'/a'}", "ssl_options is for amqps://"),
        ("BROKER_URL", "amqps://u:secret@h/?ssl_options={}", "expected ssl_options={'ca_certs': '/path'}"),
        ("BROKER_URL", "amqps://u:secret@h/?ssl_options=yes", "written as Python's dict"),
        ("BROKER_URL", "amqps://u:secret@h/?ssl_options={'ca_certs':'/a','verify':0}", "where they are needed"),
        ("BROKER_URL", "amqp://u:secret@h/?password=secret", "it has password=…"),
        ("BROKER_URL", "amqp://u:secret@h /v", "there is a space"),
        ("BROKER_URL", "amqp://u:secret@h/v\n", "an end of line"),
        ("BROKER_URL", "amqp://u:se cret@h/v", "there is a space"),
        ("BROKER_URL", "amqp://u:secret%@h/v", "write % as %25"),
        ("BROKER_URL", "amqp://u:secret%zz@h/v", "write % as %25"),
        ("BROKER_URL", "amqp://u:secret@h/%4", "write % as %25"),
        ("BROKER_URL", "amqp://u:secret%00@h/v", "write % as %25"),
        ("BROKER_URL", "amqp://u:secret%ff@h/v", "those outside ASCII as UTF-8"),
        ("BROKER_URL", "amqp://u:secret@h..example/v", "port or host cannot be read"),
        ("BROKER_URL", f"amqp://u:secret@{'h' * 64}/v", "port or host cannot be read"),
        ("BROKER_URL", "amqp://u:secret@h:70000/v", "port or host cannot be read"),
        ("BROKER_URL", "amqp://u:secret@[::1/v", "port or host cannot be read"),
        ("BROKER_API_URL", "http://h:15672", "it names no user"),
        ("BROKER_API_URL", "http://u:secret@h..example", "port or host cannot be read"),
        ("BROKER_API_URL", "http://u:secret@h:abc", "port or host cannot be read"),
        ("DATABASE_URL", "postgresql://u:secret@h:abc/d", "port or host cannot be read"),
        ("DATABASE_URL", "postgresql://u:secret@h/d?sslmode=verify", "it has sslmode=verify: correct it"),
        ("DATABASE_URL", "postgresql://u:secret@h/d?connect_timeout=soon", "it has connect_timeout=soon: correct it"),
        ("DATABASE_URL", "postgresql://u:secret@h/d?sslmode", "expected options such as ?name=value"),
        ("DATABASE_URL", "postgresql://u:secret%@h/d", "write % as %25"),
        ("DATABASE_URL", "postgresql://u:secret@h/d e", "there is a space"),
        ("BROKER_API_URL", "http://u@h:15672", "it names no password"),
        ("BROKER_API_URL", "https://u:secret@h:15672/?verify=0", "leave out what follows `?`"),
        ("BROKER_API_URL", "ftp://u:secret@h", "expected http://user:password@host:port (or https)"),
        (
            "DATABASE_URL",
            "postgresql://u:secret@h/d?colour=red",
            "it has colour=red: leave it out, or correct its name",
        ),
        ("DATABASE_URL", "postgresql://u:secret@h/d?password_=secret", "it has password_=…"),
        ("DATABASE_URL", "postgresql://u:sec#secret@h/d", "port or host cannot be read"),
        ("DATABASE_URL", "mysql://u:secret@h/d", "expected postgresql://user:password@host:port/database"),
    ],
)
def test_a_bad_url_is_one_line_with_what_came_and_what_to_do(name: str, url: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load({PREFIX + name: url})
    text = str(raised.value)
    assert text.startswith(f"WRITEGATE_{name}: expected") or "ssl_options is for" in text
    assert said in text
    assert "\n" not in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("BROKER_URL", "amqp://u:p@h"),
        ("BROKER_URL", "amqps://u:p%2F@[::1]:5671/%2F?ssl_options={'ca_certs':'/ca.pem','server_hostname':'broker'}"),
        ("BROKER_URL", "amqps://u:p@h?ssl_options={'ca_certs': '/ca.pem', 'server_hostname': 'broker'}"),
        ("BROKER_API_URL", "https://u:p@h:15671/"),
        ("DATABASE_URL", "postgresql://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem"),
    ],
)
def test_good_urls_are_taken(name: str, url: str) -> None:
    assert getattr(Settings.load({PREFIX + name: url}), name.lower()) == url


def test_no_way_of_showing_settings_shows_a_password() -> None:
    given = {
        "broker_url": "amqps://u:secret@h/?ssl_options={'ca_certs':'/secret'}",
        "broker_api_url": "https://u:secret@h",
        "database_url": "postgresql://u:sec%2Fsecret@h/d?sslpassword=secret",
    }
    loaded = Settings.model_validate(given)
    for text in (repr(loaded), str(loaded), f"{loaded}", f"{[loaded]}"):
        assert "secret" not in text
        assert "amqps://u:…@h/" in text
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate(given | {"slots": "secret"})
    assert "secret" not in str(raised.value)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"WRITEGATE_BROKER_URL is not set: expected RabbitMQ, with this"):
        Settings.load({}, need=("broker_url",))
    with pytest.raises(SettingsError, match=r"WRITEGATE_DATABASE_URL is not set"):
        Settings.load({"WRITEGATE_DATABASE_URL": ""}, need=("database_url",))


def test_defaults_are_for_what_the_environment_does_not_say() -> None:
    defaults = {"BROKER_URL": "amqp://default:p@h/", "publish_waiting": 10, "slots": None, "database_url": ""}
    loaded = Settings.load({"WRITEGATE_BROKER_URL": "amqp://given:p@h/"}, need=("broker_url",), defaults=defaults)
    assert (loaded.broker_url, loaded.publish_waiting, loaded.slots) == ("amqp://given:p@h/", 10, 4)
    assert Settings.load({"WRITEGATE_BROKER_URL": ""}, defaults=defaults).broker_url == "amqp://default:p@h/"


def test_a_default_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"no setting is called BROKERURL: expected some of BROKER_URL, "):
        Settings.load({}, defaults={"BrokerUrl": "amqp://h/"})


def test_what_a_client_logs_of_its_url_has_no_password() -> None:
    assert without_user("https://a%40b:p%2Fw@broker:15671/x") == ("https://broker:15671/x", ("a@b", "p/w"))
    assert without_user("http://[::1]:15672") == ("http://[::1]:15672", None)
    assert without_user("http://only@broker") == ("http://broker", ("only", ""))
