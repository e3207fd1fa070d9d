"""The URLs of the servers: checked before anything connects, and shown without their passwords. Pure.

Each check returns the URL, or raises :class:`ValueError` with one line that says what was expected, what came and what
to do. No message holds the URL: it has a password.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

# What ``?ssl_options={…}`` may hold: pika and py-amqp take the same names.
TLS_OPTIONS = ("ca_certs", "certfile", "keyfile", "server_hostname")

_BROKER = "amqp://user:password@host:port/vhost"
_API = "http://user:password@host:port"
_DATABASE = "postgresql://user:password@host:port/database"
_SET_ELSEWHERE = {
    "heartbeat": "WRITEGATE_HEARTBEAT_SECONDS",
    "blocked_connection_timeout": "WRITEGATE_PUBLISH_TIMEOUT_SECONDS",
}
# PostgreSQL 18, section 34.1.2: what libpq takes, but for what the URL itself says. Ours replace some of them.
_DATABASE_OPTIONS = """
application_name channel_binding client_encoding connect_timeout dbname fallback_application_name gssdelegation
gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
load_balance_hosts max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer
oauth_scope options passfile password port replication require_auth requirepeer scram_client_key scram_server_key
service ssl ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir
sslkey sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout user
"""

_WRONG_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})|%00")
_ANYTHING = re.compile(".*")
_NUMBER = re.compile("-?[0-9]+")
_DATABASE_VALUES = {
    "sslmode": re.compile("disable|allow|prefer|require|verify-ca|verify-full"),
    "gssencmode": re.compile("disable|prefer|require"),
    "channel_binding": re.compile("disable|prefer|require"),
    "target_session_attrs": re.compile("any|read-write|read-only|primary|standby|prefer-standby"),
    "load_balance_hosts": re.compile("disable|random"),
    **dict.fromkeys(
        (
            *("connect_timeout", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval"),
            *("port", "tcp_user_timeout"),
        ),
        _NUMBER,
    ),
}


def check_broker_url(url: str) -> str:
    """Check an AMQP URL, and return it with its vhost percent-encoded, as the AMQP URI specification has it.

    It names user and password: without them a client library would log in as ``guest``. Celery also takes ``…//`` and
    ``…/a/b`` for a vhost, which pika and the management API's clients would read otherwise.
    """
    parts = _split(url, _BROKER, ("amqp", "amqps"))
    if not parts.username:
        raise ValueError(f"expected {_BROKER}, but it names no user")
    if not parts.password:
        raise ValueError(f"expected {_BROKER}, but it has no password for the user {parts.username}")
    for name, value in _options(parts):
        if name == "ssl_options":
            _check_tls_options(parts.scheme, value)
        else:
            way = f"set {_SET_ELSEWHERE[name]} instead" if name in _SET_ELSEWHERE else "leave it out"
            raise ValueError(
                f"expected {_BROKER} with no option but ssl_options, but it has {_shown(name, value)}: {way}"
            )
    return url if parts.path in {"", "/"} else parts._replace(path=f"/{quote(vhost_of(url), safe='')}").geturl()


def vhost_of(broker_url: str) -> str:
    """Return the vhost that an AMQP URL names, ``/`` when it names none."""
    return unquote(urlsplit(broker_url).path.removeprefix("/")) or "/"


def check_api_url(url: str) -> str:
    """Check a URL of the management API."""
    parts = _split(url, _API, ("http", "https"))
    if not (parts.username and parts.password):
        missing = "password" if parts.username else "user"
        raise ValueError(f"expected {_API}, but it names no {missing}")
    if parts.query or parts.fragment:
        raise ValueError(f"expected {_API}, and nothing after it: leave out what follows `?` or `#`")
    return url


def without_user(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return a URL without its user, and the user with the password: clients log the URLs that they ask for."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, None
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return address, (unquote(parts.username), unquote(parts.password or ""))


def check_database_url(url: str) -> str:
    """Check a URL of PostgreSQL. It may have no password: libpq may find one in its own file or variable."""
    parts = _split(url, _DATABASE, ("postgresql",))
    for name, value in _options(parts):
        if name not in _DATABASE_OPTIONS.split():
            raise ValueError(
                f"expected {_DATABASE}, with options of libpq such as sslmode=verify-full, but it has "
                f"{_shown(name, value)}: leave it out, or correct its name"
            )
        # libpq says so with each attempt to connect only, as if the server were down.
        if not _DATABASE_VALUES.get(name, _ANYTHING).fullmatch(value):
            raise ValueError(
                f"expected {_DATABASE}, with values that libpq takes, but it has {_shown(name, value)}: "
                f"correct it, or leave it out"
            )
    return url


def tls_of(broker_url: str) -> dict[str, Any] | None:
    """Return the TLS options of a checked ``amqps`` URL by name, with the host name to check; None for ``amqp``."""
    parts = urlsplit(broker_url)
    if parts.scheme != "amqps":
        return None
    given = next((value for name, value in parse_qsl(parts.query) if name == "ssl_options"), "{}")
    return {"server_hostname": parts.hostname, **ast.literal_eval(given)}


def without_options(url: str) -> str:
    """Return a URL without what follows ``?``."""
    return urlsplit(url)._replace(query="").geturl()


def without_password(url: str) -> str:
    """Return a URL to show: ``…`` stands for its password, and for options, which may hold one as well."""
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        return "…"
    if password is not None:
        parts = parts._replace(netloc=f"{user}:…@{parts.netloc.rpartition('@')[2]}")
    return parts._replace(query="…" if parts.query else "", fragment="").geturl()


def _split(url: str, expected: str, schemes: tuple[str, ...]) -> SplitResult:
    # Before anything is split: Python takes tabs and ends of lines out of a URL, other clients do not.
    if " " in url.partition("?")[0] or not url.isprintable():
        raise ValueError(
            f"expected {expected}, but there is a space, an end of line or a control character in it: "
            "leave it out, or write a space as %20"
        )
    if _WRONG_PERCENT.search(url):
        raise ValueError(
            f"expected {expected}, but a % in it is not followed by two digits of 0-9 A-F, or by 00: write % as %25"
        )
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        # A name that cannot be looked up: an empty label, or one of more than 63 characters.
        (parts.hostname or "").encode("idna").decode("idna")
        unquote(f"{parts.netloc}{parts.path}", errors="strict")
    except ValueError:
        # The error quotes what it took for a port: part of a password, when that has a `/`, `#` or `?` in it.
        raise ValueError(
            f"expected {expected}, but port or host cannot be read: write special characters of a password as %2F, "
            "those outside ASCII as UTF-8"
        ) from None
    if not usable:
        others = f" (or {', '.join(schemes[1:])})" if len(schemes) > 1 else ""
        raise ValueError(f"expected {expected}{others}")
    return parts


def _options(parts: SplitResult) -> list[tuple[str, str]]:
    try:
        return parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("expected options such as ?name=value&name=value after the path of the URL") from None


def _shown(name: str, value: str) -> str:
    secret = any(part in name.lower() for part in ("pass", "secret", "key", "token"))
    return f"{name}={'…' if secret else value}"


def _check_tls_options(scheme: str, value: str) -> None:
    expected = f"expected ssl_options={{'ca_certs': '/path'}}, and {', '.join(TLS_OPTIONS[1:])} where they are needed"
    if scheme != "amqps":
        raise ValueError("ssl_options is for amqps://, but the URL begins with amqp://")
    try:
        options = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise ValueError(f"{expected}, written as Python's dict") from None
    # Without ca_certs pika fails. The system's own certificates are used when the URL has no ssl_options at all.
    if not isinstance(options, Mapping) or not {"ca_certs"} <= set(options) <= set(TLS_OPTIONS):
        raise ValueError(expected)
