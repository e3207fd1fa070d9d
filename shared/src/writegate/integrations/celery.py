"""Publishing from an existing Celery application, whose broker is the gate's, by its own means.

::

    app = Celery("shop", broker=…)
    configure(app, services=[flights])
    app.send_task("flights.record_departure", kwargs={"carrier": "UA", …})

    record_departure = task(app, RecordDeparture)
    record_departure.delay(carrier="UA", …)

Each goes to the exchange and lane of its key, confirmed, as JSON, with the key and the version in its headers; fields
that fail the contract are an error at the call. What Celery itself raises when the broker does not take a message is
not ours, and neither spool nor order per key is part of it: where these matter, use :func:`writegate.publish`.
With a result backend ``AsyncResult.get()`` returns the receipt, and raises :class:`writegate.receipt.Parked`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, cast

from celery import Celery
from celery.result import AsyncResult
from kombu.serialization import register
from pydantic_core import to_json

from writegate.contract.command import Command, contract_of
from writegate.contract.service import Service
from writegate.errors import DeclarationError
from writegate.message.envelope import KEY_HEADER, VERSION_HEADER, item_of
from writegate.message.topology import route_of
from writegate.receipt import Parked  # noqa: F401  Celery raises it only from a module that is loaded

P = ParamSpec("P")

# Celery waits for a confirm without end otherwise. Twice: a connection that broke while it was idle is made again.
CONFIRM_SECONDS = 10.0
_TRIES = {"max_retries": 1}

_SERIALIZER = "writegate"


def _json(value: Any) -> str:
    """Return JSON as a contract reads it. Celery's own wraps a date in an object that tells its type."""
    return to_json(value).decode()


register(_SERIALIZER, _json, None, content_type="application/json", content_encoding="utf-8")


def configure(app: Celery, *, services: Iterable[Service]) -> None:
    """Let ``app`` send the commands of these services where they belong.

    Every message of the application is confirmed by the broker from then on. Raises
    :class:`~writegate.errors.DeclarationError` when the application has sent messages already.
    """
    routes = _routes_of(app)
    for service in services:
        for command in service.commands.values():
            routes.add(command)


def task(app: Celery, command: Callable[P, Command]) -> CommandTask[P]:
    """Return a command as a Celery task that can be sent, and only that: writers apply it."""
    kind = cast("type[Command]", command)
    _routes_of(app).add(kind)
    return CommandTask(app, kind)


class CommandTask(Generic[P]):
    """A command type, bound to an application."""

    def __init__(self, app: Celery, kind: type[Command]) -> None:
        self._app = app
        self._kind = kind
        self.name = contract_of(kind).task

    def delay(self, *_: P.args, **fields: P.kwargs) -> AsyncResult[Any]:
        """Send the command with these fields."""
        return self.send(self._kind(**fields))

    def send(self, command: Command) -> AsyncResult[Any]:
        """Send a command that is there already. The same object again is a retry, and never a second write."""
        return self._app.send_task(self.name, kwargs=command.model_dump(mode="json"), task_id=command.command_id)


class _Routes:
    """A router for ``task_routes``: says how a command of ours is sent, and nothing of other tasks."""

    def __init__(self) -> None:
        self._commands: dict[str, type[Command]] = {}

    def add(self, command: type[Command]) -> None:
        self._commands[contract_of(command).task] = command

    def __call__(
        self, name: str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, options: dict[str, Any], **_: Any
    ) -> dict[str, Any] | None:
        if name not in self._commands:
            return None
        if args:
            raise TypeError(f"{name} takes keyword arguments only, got {len(args)} positional ones")
        # As the writer will read it.
        command = self._commands[name].model_validate_json(_json(kwargs or {}))
        contract, item = contract_of(command), item_of(command)
        ours = {VERSION_HEADER: item.version} | ({} if item.key is None else {KEY_HEADER: item.key})
        # The caller's options win over a router's, and would lose our headers.
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
            # They would show data where logs and monitors see it.
            "argsrepr": "",
            "kwargsrepr": "",
        }


def _routes_of(app: Celery) -> _Routes:
    routes = app.conf.task_routes or ()
    several = list(routes) if isinstance(routes, list | tuple) else [routes]
    ours = next((one for one in several if isinstance(one, _Routes)), None)
    if ours is None:
        if "router" in vars(app.amqp):
            # Celery has made its router and its connections: ours would go unrouted and unconfirmed.
            raise DeclarationError(
                "this Celery application has sent messages already: call configure() or task() before its first one"
            )
        ours = _Routes()
        app.conf.task_routes = [ours, *several]
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, "confirm_publish": True}
    return ours
