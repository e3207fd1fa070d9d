"""Publishing with Celery's own producer, from an existing application that uses the gate's broker.

::

    app = Celery("shop", broker=…)
    configure(app, services=[flights])
    app.send_task("flights.record_departure", kwargs={"carrier": "UA", …})

    record_departure = task(app, RecordDeparture)
    record_departure.delay(carrier="UA", …)

Each command goes to the exchange and lane of its key, confirmed, as JSON, with the key and the version in its headers.
Fields that fail the contract raise pydantic's ``ValidationError`` at the call, and options that a write gate does not
take (``countdown``, ``expires``, ``link``, groups, ``serializer``, ``queue``) raise ``TypeError``. When the broker does
not take a message, Celery's own errors are raised. There is no spool and no order per key here: where these matter, use
:func:`writegate.publish`. With a result backend, ``AsyncResult.get()`` returns the receipt, and raises
:class:`writegate.receipt.Declined` or :class:`writegate.receipt.Parked` for a declined or parked command.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any, Generic, ParamSpec, cast

from celery import Celery
from celery.result import AsyncResult
from kombu.serialization import register
from pydantic_core import to_json

from writegate.contract.command import Command, contract_of
from writegate.contract.instants import in_utc
from writegate.contract.service import Service
from writegate.errors import DeclarationError
from writegate.message.envelope import KEY_HEADER, VERSION_HEADER, item_of
from writegate.message.topology import route_of
from writegate.receipt import Declined, Parked  # noqa: F401  Celery raises them only from a module that is loaded
from writegate.urls import tls_of

P = ParamSpec("P")

# Without a time limit Celery would wait for a confirm for ever. One retry replaces a connection that broke while idle.
CONFIRM_SECONDS = 10.0
_TRIES = {"max_retries": 1}

_SERIALIZER = "writegate"
# Celery's tasks name its default themselves. It is replaced by ours, which writes values as a contract reads them.
_SERIALIZERS = {None, "json", _SERIALIZER}
# What a write gate does not run, by the names that Celery's message has for it, and as people type it.
_NOT_TAKEN = ("countdown", "eta", "expires", "group_id", "chord", "chain", "callbacks", "errbacks")
_AS_TYPED = {"group_id": "group", "callbacks": "link", "errbacks": "link_error"}


def _json(value: Any) -> str:
    """Return JSON as a contract reads it. Celery's own serializer wraps a date in an object with its type."""
    return to_json(in_utc(value)).decode()


register(_SERIALIZER, _json, None, content_type="application/json", content_encoding="utf-8")


def configure(app: Celery, *, services: Iterable[Service]) -> None:
    """Route the commands of these services, sent by ``app``, to their exchanges and lanes.

    From then on the broker confirms every message of the application, and over ``amqps://`` the host name in its
    certificate is checked. Raises :class:`~writegate.errors.DeclarationError` when the application has sent messages
    already.
    """
    routes = _routes_of(app)
    for service in services:
        for command in service.commands.values():
            routes.add(command)


def task(app: Celery, command: Callable[P, Command]) -> CommandTask[P]:
    """Return a command type as a Celery task that can be sent; the writers execute it.

    Raises :class:`~writegate.errors.DeclarationError` when the application has sent messages already.
    """
    kind = cast("type[Command]", command)
    _routes_of(app).add(kind)
    return CommandTask(app, kind)


class CommandTask(Generic[P]):
    """A command type that is bound to a Celery application."""

    def __init__(self, app: Celery, kind: type[Command]) -> None:
        self._app = app
        self._kind = kind
        self.name = contract_of(kind).task

    def delay(self, *_: P.args, **fields: P.kwargs) -> AsyncResult[Any]:
        """Send a command with these fields."""
        return self.send(self._kind(**fields))

    def send(self, command: Command) -> AsyncResult[Any]:
        """Send an existing command. Sending the same object again is a retry, never a second write."""
        return self._app.send_task(self.name, kwargs=command.model_dump(mode="json"), task_id=command.command_id)


class _Routes:
    """A router for ``task_routes``: returns the options for commands, and None for all other tasks."""

    def __init__(self) -> None:
        self._commands: dict[str, type[Command]] = {}

    def add(self, command: type[Command]) -> None:
        self._commands[contract_of(command).task] = command

    def checked(self, protocol: int, make: Callable[..., Any]) -> Callable[..., Any]:
        """Return Celery's function that makes a message, after a look at what it is asked to do with a command."""
        names = signature(make)

        def make_checked(*args: Any, **options: Any) -> Any:
            given = names.bind_partial(*args, **options).arguments
            name = given.get("name", "")
            if name in self._commands:
                if protocol != 2:
                    raise TypeError(f"{name} travels in Celery's protocol 2: leave out task_protocol={protocol}")
                for option in _NOT_TAKEN:
                    if given.get(option) is not None and given[option] != []:
                        typed = _AS_TYPED.get(option, option)
                        raise TypeError(f"{name} is applied in order, once and by itself: leave out {typed}")
            return make(*args, **options)

        return make_checked

    def __call__(
        self, name: str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, options: dict[str, Any], **_: Any
    ) -> dict[str, Any] | None:
        if name not in self._commands:
            return None
        if args:
            raise TypeError(f"{name} takes keyword arguments only, got {len(args)} positional ones")
        if options.get("serializer") not in _SERIALIZERS:
            raise TypeError(f"{name} travels as JSON: leave out serializer={options['serializer']!r}")
        options.pop("serializer", None)
        for option in ("queue", "exchange", "routing_key", "priority"):
            if options.get(option):
                raise TypeError(f"{name} has a lane of its own: leave out {option}={options[option]!r}")
        # Read in the same way as the writer reads it.
        command = self._commands[name].model_validate_json(_json(kwargs or {}))
        contract, item = contract_of(command), item_of(command)
        ours = {VERSION_HEADER: item.version} | ({} if item.key is None else {KEY_HEADER: item.key})
        # Options of the caller replace those of a router, so the headers are merged here.
        options["headers"] = {**(options.get("headers") or {}), **ours}
        route = route_of(contract.service, item.key, contract.lanes)
        return {
            "exchange": route.exchange,
            "routing_key": route.routing_key,
            "declare": [],  # a service's user may publish, and nothing else
            "mandatory": True,
            "serializer": _SERIALIZER,
            "confirm_timeout": CONFIRM_SECONDS,
            "retry_policy": _TRIES,
            # Celery's defaults would show the fields in logs and monitors.
            "argsrepr": "",
            "kwargsrepr": "",
        }


def _routes_of(app: Celery) -> _Routes:
    routes = app.conf.task_routes or ()
    routers = list(routes) if isinstance(routes, list | tuple) else [routes]
    ours = next((router for router in routers if isinstance(router, _Routes)), None)
    if ours is None:
        if "router" in vars(app.amqp):
            # Celery has made its router and connections already: commands would be neither routed nor confirmed.
            raise DeclarationError(
                "this Celery application has sent messages already: call configure() or task() before its first one"
            )
        ours = _Routes()
        protocols = vars(app.amqp)["task_protocols"]  # an attribute that the stubs leave out
        protocols.update({version: ours.checked(version, make) for version, make in protocols.items()})
        app.conf.task_routes = [ours, *routers]
        app.conf.broker_use_ssl = _checked_tls(app.conf.broker_write_url or "", app.conf.broker_use_ssl)
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, "confirm_publish": True}
    return ours


def _checked_tls(broker_url: str, given: Any) -> Any:
    """Return ``broker_use_ssl`` with a check of the host name, unless the application says how it is checked.

    Without it py-amqp takes any certificate of a known authority.
    """
    options = tls_of(broker_url) if broker_url.startswith("amqps://") else None
    if options is None or (isinstance(given, Mapping) and {"context", "server_hostname", "cert_reqs"} & set(given)):
        return given
    return {**options, "cert_reqs": ssl.CERT_REQUIRED, **(given if isinstance(given, Mapping) else {})}
