"""The broker's management API, as a user with the tag ``monitoring``. The only module that calls it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from writegate.config import Settings
from writegate.errors import SettingsError, WritegateError
from writegate.message.policies import LISTED
from writegate.urls import vhost_of, without_user

TIMEOUT_SECONDS = 10.0
PAGE_TIMEOUT_SECONDS = 2.0  # a broker that is down is shown on a page within five seconds
_COLUMNS = f"messages,consumers,message_stats,{LISTED}"  # a fraction of the full answer
_NO_MANAGEMENT_API = "what answers there is no management API of RabbitMQ: check WRITEGATE_BROKER_API_URL"
_SAMPLE_COLUMNS = "messages_details.samples,message_stats.ack_details.samples"


def read_queues(settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS) -> dict[str, dict[str, Any]]:
    """Return each queue of the vhost by name, with its messages, consumers, counters and policies.

    Raises :class:`WritegateError` when the broker does not answer or refuses.
    """
    [queues] = _answers(settings, [""], {"columns": _COLUMNS}, timeout_seconds)
    try:
        return {queue["name"]: queue for queue in queues}
    except (TypeError, KeyError):
        raise WritegateError(_NO_MANAGEMENT_API) from None


def read_samples(
    settings: Settings, names: Sequence[str], seconds: int, step_seconds: int, timeout_seconds: float = TIMEOUT_SECONDS
) -> dict[str, Mapping[str, Any]]:
    """Return what the broker remembers of queues, by name: samples of their messages and acknowledgements.

    ``seconds``: of the time until now; ``step_seconds``: between samples. Raises as :func:`read_queues` does.
    """
    if not names:
        return {}
    window = {
        f"{kind}_{name}": str(value)
        for kind in ("lengths", "msg_rates")
        for name, value in (("age", seconds), ("incr", step_seconds))
    }
    paths = [f"/{quote(name, safe='')}" for name in names]
    answers = _answers(settings, paths, {"columns": _SAMPLE_COLUMNS, **window}, timeout_seconds)
    return {name: object_in(answer) for name, answer in zip(names, answers, strict=True)}


def object_in(answer: Any, *path: str) -> Mapping[str, Any]:
    """Return the object that an answer has at a path of names, an empty one when it has none there. Pure.

    The broker writes an object without fields as ``[]`` when it has no statistics, or none of the columns asked for.
    """
    for name in path:
        answer = (answer or {}).get(name)
    return answer or {}


def _answers(
    settings: Settings, paths: Sequence[str], parameters: dict[str, str], timeout_seconds: float
) -> Iterator[Any]:
    """Ask about queues of the vhost, each by its path below them, over one connection."""
    if not settings.broker_api_url:
        raise SettingsError("WRITEGATE_BROKER_API_URL is not set")
    address, user = without_user(settings.broker_api_url)
    queues = f"{address.rstrip('/')}/api/queues/{quote(vhost_of(settings.broker_url), safe='')}"
    # An explicit transport ignores the machine's proxy settings: they are for the world outside, not for the broker.
    # Reading the certificates takes 35 ms of CPU, and is left out where there is none to check.
    try:
        transport = httpx.HTTPTransport(verify=not settings.broker_api_url.startswith("http:"))
    except OSError as error:
        raise WritegateError(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read ({error}): "
            "the broker's management API is not trusted without them"
        ) from error
    with httpx.Client(auth=user, timeout=timeout_seconds, transport=transport) as client:
        for path in paths:
            try:
                response = client.get(f"{queues}{path}", params=parameters)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise WritegateError(
                    f"the broker's management API does not answer ({error}): check WRITEGATE_BROKER_API_URL"
                ) from error
            if not response.is_success:
                # httpx's own message holds the address, and with it the password.
                raise WritegateError(
                    f"the broker's management API answered {response.status_code}: "
                    "WRITEGATE_BROKER_API_URL must name a user with the tag monitoring and its password"
                )
            try:
                yield response.json()
            except ValueError:
                raise WritegateError(_NO_MANAGEMENT_API) from None
