"""Settings: typed, and read from environment variables in this module only.

The table of settings in the documentation is generated from the fields and their descriptions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from writegate.errors import SettingsError, wrong_fields
from writegate.urls import check_api_url, check_broker_url, check_database_url, without_password

PREFIX = "WRITEGATE_"


def _names(*known: str) -> AfterValidator:
    def check(value: str) -> str:
        names = [name.strip() for name in value.split(",") if name.strip()]
        if not set(names) <= set(known):
            raise ValueError(f"expected some of {', '.join(known)}, separated by commas")
        return ",".join(dict.fromkeys(names))

    return AfterValidator(check)


def _check_networks(value: str) -> str:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        try:
            ip_network(name)
        except ValueError as error:
            raise ValueError(f"expected addresses or networks such as 10.0.0.7 or 10.1.0.0/16: {error}") from error
    return ",".join(names)


_networks = AfterValidator(_check_networks)


class Settings(BaseModel):
    """All settings with their defaults. :meth:`load` reads ``WRITEGATE_<NAME>`` for each field."""

    # A value that is wrong may be a URL with a password: pydantic's own messages leave values out.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    broker_url: Annotated[str, AfterValidator(check_broker_url)] = Field(
        "", description="RabbitMQ, with this process's own user"
    )
    broker_api_url: Annotated[str, AfterValidator(check_api_url)] = Field(
        "",
        description="RabbitMQ's management API (`plan`, `apply`: an administrator; `status`, and writers to watch for "
        "policies that lose commands: the tag `monitoring`)",
    )
    database_url: Annotated[str, AfterValidator(check_database_url)] = Field(
        "",
        description="PostgreSQL (the writer: the writer role; the console and commands that look: the reader role; "
        "`apply`: the owner)",
    )
    connections: int = Field(5, ge=2, description="connection budget of the whole fleet of writers")
    slots: int = Field(4, ge=1, le=64, description="transactions one writer process may run at once, a connection each")
    batch_commands: int = Field(1000, ge=1, description="most commands in one transaction")
    batch_bytes: int = Field(4 * 1024**2, ge=1024, description="most bytes of messages in one transaction")
    # Enough for two full batches in each slot, or for ten thousand small messages.
    memory_bytes: int = Field(
        32 * 1024**2, ge=1024**2, description="most memory that the messages may take which a writer holds at once"
    )
    lease_seconds: float = Field(
        6.0,
        ge=1,
        le=60,
        description="after so long without a sign of life a writer's domains are taken over; "
        "also the longest a handler may compute between two statements",
    )
    handler_seconds: float = Field(
        60.0,
        ge=1,
        description="longest a statement of a handler may take before it is cancelled; "
        "a handler that gives no sign of life for longer ends its process",
    )
    parked_days: int = Field(
        30,
        ge=0,
        description="for how many days a writer keeps the bodies of parked and deferred commands that were decided; "
        "0: for ever",
    )
    parked_commands: int = Field(
        100_000,
        ge=1,
        description="with so many parked commands a service is not consumed, until people have decided about some",
    )
    parked_bytes: int = Field(
        1024**3, ge=1024, description="with so many bytes of bodies in its parked commands neither"
    )
    version_wait_hours: float = Field(
        24.0,
        ge=0,
        description="for how long a command of a contract version that no writer here knows waits for one that does, "
        "before it is parked",
    )
    publish_timeout_seconds: float = Field(10.0, gt=0, description="time limit of one publish call")
    publish_waiting: int = Field(50_000, ge=1, description="most commands a publisher keeps in memory")
    when_full: Literal["spool", "wait", "fail"] = Field(
        "spool", description="what a publisher does when a lane is full: use the spool, wait, or fail"
    )
    spool_directory: str = Field(
        "", description="where commands wait on disk while the broker does not take them; `off`: nowhere"
    )
    spool_bytes: int = Field(1024**3, ge=1024, description="most bytes of commands in the spool of one process")
    spool_hours: float = Field(72, gt=0, description="past this age of its oldest command a spool takes no more")
    telemetry: Annotated[str, _names("opentelemetry", "prometheus")] = Field(
        "", description="telemetry of publishing and of a writer's batches: `opentelemetry`, `prometheus`, or both"
    )
    heartbeat_seconds: int = Field(5, ge=1, le=60, description="AMQP heartbeat: how soon a dead connection is noticed")
    http_port: int = Field(8000, ge=0, le=65535, description="port a service listens on")
    http_host: str = Field("127.0.0.1", description="address the console and followers of a feed listen on")
    http_body_bytes: int = Field(
        1024**2, ge=1024, description="most bytes in the body of an HTTP request; more is refused before it is read"
    )
    http_waiting: int = Field(
        4,
        ge=0,
        description="most requests of a Django or Flask process that wait for an outcome at once; more are answered "
        "without it. Fewer than the server has threads",
    )
    console_users: str = Field(
        "", description="file of the console's users, which `writegate console user add` writes; empty: none can log in"
    )
    console_baseline: str = Field(
        "", description="file that `writegate connections --baseline` wrote before: the console compares with it"
    )
    console_proxies: Annotated[str, _networks] = Field(
        "",
        description="addresses or networks of proxies that log people in, separated by commas: nobody else is believed",
    )
    console_user_header: str = Field("X-Remote-User", description="the header in which such a proxy names the user")
    console_role_header: str = Field(
        "X-Remote-Role", description="the header in which it says `operator`; whoever is none may only read"
    )
    health_port: int = Field(
        0, ge=0, le=65535, description="port of the writer's /livez, /readyz and /metrics; 0: none"
    )
    health_host: str = Field("127.0.0.1", description="address of that port; `0.0.0.0` or `::` in a container")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what ``repr`` and ``str`` show: passwords in URLs are left out."""
        for name, value in super().__repr_args__():
            yield name, without_password(value) if name is not None and name.endswith("_url") else value

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        need: tuple[str, ...] = (),
        defaults: Mapping[str, Any] | None = None,
    ) -> Self:
        """Read the settings; ``need`` names those that must be given.

        ``environ`` is the process's own environment by default. ``defaults`` are values for variables that are not
        set, by field name in upper or lower case (``broker_url`` …). Raises :class:`SettingsError` with one line that
        names the variable, what was expected and what was found.
        """
        environ = os.environ if environ is None else environ
        given = _known({name.lower(): value for name, value in (defaults or {}).items()}, cls) | {
            name: environ[PREFIX + name.upper()] for name in cls.model_fields if environ.get(PREFIX + name.upper())
        }
        for name in need:
            if name not in given:
                raise SettingsError(f"{PREFIX}{name.upper()} is not set: expected {cls.model_fields[name].description}")
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = wrong_fields(error)[0]
            name, text = wrong["path"], wrong["message"].removeprefix("Value error, ")
            # The value of a URL is left out: it may contain a password.
            found = "" if name.endswith("_url") else f", not {given[name]!r}"
            raise SettingsError(
                f"{PREFIX}{name.upper()}: {text}{found} ({cls.model_fields[name].description})"
            ) from None


def _known(defaults: dict[str, Any], settings: type[Settings]) -> dict[str, Any]:
    if unknown := sorted(set(defaults) - set(settings.model_fields)):
        names = ", ".join(name.upper() for name in settings.model_fields)
        raise SettingsError(f"no setting is called {unknown[0].upper()}: expected some of {names}")
    return {name: value for name, value in defaults.items() if value not in (None, "")}
