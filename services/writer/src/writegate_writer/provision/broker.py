"""The broker's management API: reads what is there, carries out one change. The only module that talks to it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from writegate.config import Settings
from writegate.contract.users import WRITER
from writegate.message.policies import LISTED, Harm, Policy, harms_of_listing
from writegate.message.topology import Binding, exchange_name
from writegate.publishing.wire import LANES
from writegate.urls import vhost_of, without_user
from writegate_writer.provision.broker_diff import CONNECTIONS, MONITORING, BrokerState, Permission, limit_path
from writegate_writer.provision.change import ApplyError, BrokerRequest

TIMEOUT_SECONDS = 15.0
_SALT_BYTES = 4
_HASHES = {"rabbit_password_hashing_sha256": hashlib.sha256, "rabbit_password_hashing_sha512": hashlib.sha512}


def password_matches(user: Mapping[str, Any], password: str) -> bool:
    """Whether ``password`` is the one of a user as the API describes it: ``hash(salt + password)``, salt first.

    A log-in would prove the same, but fills the broker's log with failures, and needs a tag that ours do not have.
    True for a way of hashing this does not know: such a password is not changed.
    """
    algorithm = _HASHES.get(user.get("hashing_algorithm", ""))
    if algorithm is None:
        return True
    known = base64.b64decode(user["password_hash"])
    return known[_SALT_BYTES:] == algorithm(known[:_SALT_BYTES] + password.encode()).digest()


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection. ``lanes``: the number of lanes of each service that its process knows; empty if not sent."""

    name: str
    user: str
    lanes: Mapping[str, int]


class Broker:
    """One vhost of a RabbitMQ, through its management API. Every method may raise :class:`ApplyError`."""

    def __init__(self, client: httpx.Client, vhost: str) -> None:
        self._client = client
        self._vhost = vhost

    def read(self, passwords: Mapping[str, str]) -> BrokerState:
        """Return what the vhost has. ``passwords`` are those given for users, by name."""
        users = {user["name"]: user for user in self._get("users")}
        permissions = {
            permission["user"]: Permission(permission["configure"], permission["write"], permission["read"])
            for permission in self._get("permissions")
            if permission["vhost"] == self._vhost
        }
        wrong = {name for name in users if name in passwords and not password_matches(users[name], passwords[name])}
        monitors = frozenset(name for name, user in users.items() if MONITORING in user["tags"])
        known = {name: permissions.get(name) for name in users}
        if self._vhost not in {vhost["name"] for vhost in self._get("vhosts")}:
            return BrokerState(
                self._vhost, exists=False, users=known, wrong_passwords=frozenset(wrong), monitors=monitors
            )
        return BrokerState(
            self._vhost,
            exists=True,
            exchanges={entry["name"]: _kind(entry) for entry in self._get("exchanges", self._vhost)},
            queues={queue["name"]: queue["arguments"] for queue in self._get("queues", self._vhost)},
            bindings=frozenset(
                Binding(binding["source"], binding["destination"], binding["routing_key"])
                for binding in self._get("bindings", self._vhost)
                if binding["destination_type"] == "queue"
            ),
            users=known,
            wrong_passwords=frozenset(wrong),
            monitors=monitors,
            limits=self._limits(),
            policies=tuple(
                tuple(Policy.of(entry) for entry in self._get(kind, self._vhost))
                for kind in ("policies", "operator-policies")
            ),
        )

    def harms(self) -> list[Harm]:
        """Return what policies may lose of our queues. The tag ``monitoring`` is enough for this."""
        return harms_of_listing(self._get("queues", self._vhost, parameters={"columns": LISTED}))

    def publishers(self, exchange: str) -> list[Connected]:
        """Return the connections of this vhost that may publish to an exchange, but for writers and administrators."""
        tags = {user["name"]: user["tags"] for user in self._get("users")}
        may = {
            permission["user"]
            for permission in self._get("permissions")
            if permission["vhost"] == self._vhost and re.search(permission["write"], exchange)
        }
        others = {name for name in may if name != WRITER and "administrator" not in tags.get(name, ())}
        return [
            Connected(connection["name"], connection["user"], connection.get("client_properties", {}).get(LANES) or {})
            for connection in self._get("connections")
            if connection.get("vhost") == self._vhost and connection.get("user") in others
        ]

    def shut_out(self, user: str) -> int | None:
        """Let a user have no connection from now on; return how many it might have until now, None without a limit."""
        before = self._limits().get(user, {}).get(CONNECTIONS)
        self._request("PUT", limit_path(user), {"value": 0})
        return before or None

    def let_in(self, user: str, limit: int | None) -> None:
        """Let a user connect again, up to a limit."""
        if limit is None:
            self._request("DELETE", limit_path(user))
        else:
            self._request("PUT", limit_path(user), {"value": limit})

    def disconnect(self, user: str) -> bool:
        """End a user's connections; return whether it had any left."""
        left = bool(self._get("connections", "username", user))
        if left:
            self._request("DELETE", ("connections", "username", user))
        return left

    def delete_queue(self, name: str) -> None:
        """Delete a queue, whatever is in it."""
        self._request("DELETE", ("queues", self._vhost, name))

    def forget(self, service: str, queues: Iterable[str], user: str | None) -> None:
        """Delete a service's user, exchange and queues, whatever is in them, as far as they are there."""
        there = self.read({})
        if user is not None:
            self._request("DELETE", ("users", user))
        if exchange_name(service) in there.exchanges:
            self._request("DELETE", ("exchanges", self._vhost, exchange_name(service)))
        for queue in queues:
            self.delete_queue(queue)

    def run(self, call: BrokerRequest, passwords: Mapping[str, str]) -> None:
        """Carry out one change."""
        secret = {} if call.password_of is None else {"password": passwords[call.password_of]}
        self._request(call.method, call.path, {**call.body, **secret})

    def _limits(self) -> dict[str, dict[str, int]]:
        return {limits["user"]: limits["value"] for limits in self._get("user-limits")}

    def _get(self, *path: str, parameters: Mapping[str, str] | None = None) -> Any:
        response = self._request("GET", path, parameters=parameters)
        try:
            return response.json()
        except ValueError:
            raise ApplyError(
                f"what answers at {response.url.host}:{response.url.port} is no management API of RabbitMQ: "
                "check WRITEGATE_BROKER_API_URL"
            ) from None

    def _request(
        self,
        method: str,
        path: tuple[str, ...],
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        where = f"{self._client.base_url.host}:{self._client.base_url.port}"
        url = "/api/" + "/".join(quote(part, safe="") for part in path)
        try:
            response = self._client.request(method, url, json=body, params=parameters)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApplyError(
                f"the broker's management API at {where} does not answer ({error}): "
                "check WRITEGATE_BROKER_API_URL, and that the management plugin is on"
            ) from error
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise ApplyError(
                f"the broker's management API at {where} refused the log-in: "
                "WRITEGATE_BROKER_API_URL must name a user with the administrator tag and its password"
            )
        if not response.is_success:
            raise ApplyError(f"the broker refused {method} {url}: {response.status_code} {response.text.strip()}")
        return response


@contextmanager
def connect(settings: Settings) -> Iterator[Broker]:
    """Open the management API of the settings, at the vhost of the broker URL. May raise :class:`ApplyError`."""
    # A transport of its own: the machine's proxy settings are for the world outside, not for the broker.
    # Reading the certificates takes 35 ms of CPU, and is left out where there is none to check.
    try:
        transport = httpx.HTTPTransport(verify=not settings.broker_api_url.startswith("http:"))
    except OSError as error:
        raise ApplyError(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read ({error}): "
            "the broker's management API is not trusted without them"
        ) from error
    address, user = without_user(settings.broker_api_url)
    with httpx.Client(base_url=address, auth=user, timeout=TIMEOUT_SECONDS, transport=transport) as client:
        yield Broker(client, vhost_of(settings.broker_url))


def _kind(exchange: Mapping[str, Any]) -> str:
    return f"{'durable' if exchange['durable'] else 'transient'} {exchange['type']}"
