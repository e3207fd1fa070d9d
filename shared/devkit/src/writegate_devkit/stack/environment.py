"""The settings of each process, as environment variables. No process gets more than it needs."""

from __future__ import annotations

from importlib.metadata import entry_points

from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.stack_state import StackState

OWNER, WRITER, READER, OPERATOR = "writegate_owner", "writegate_writer", "writegate_reader", "writegate_operator"
SUPERUSER = "postgres"
USERS = (SUPERUSER, OWNER, WRITER, READER, OPERATOR)
ADDRESS = "127.0.0.1"
CONSOLE, CONSOLE_USER = "console", "admin"
FEED = "feed"


PROCESSES = ("owner", "writer", "reader", "operator", CONSOLE, FEED)
"""Whose settings :func:`environment` knows, besides each writer's and each service's."""


def services() -> list[str]:
    """Return the names of the services that are installed here. Each gets a broker user."""
    return sorted(entry_points(group="writegate.services").names - {"writegate"})


def users() -> list[str]:
    """Return every broker user and database role that needs a password."""
    return [*USERS, *services()]


def environment(name: str, state: StackState) -> dict[str, str]:
    """Return the settings of one process.

    ``name`` is ``owner`` (for ``apply``), ``writer``, ``writer-N``, ``reader``, ``operator``, ``console``, ``feed`` or
    a service. Raises :class:`StackError` for any other name.
    """
    if name == "owner":
        return {
            **state.settings,
            "WRITEGATE_BROKER_URL": _broker_url(OWNER, state),
            "WRITEGATE_BROKER_API_URL": _broker_api_url(OWNER, state),
            "WRITEGATE_DATABASE_URL": _database_url(OWNER, state),
            **{
                f"WRITEGATE_PASSWORD_{user.upper()}": password
                for user, password in state.passwords.items()
                if user not in {OWNER, SUPERUSER, CONSOLE_USER}
            },
        }
    if name == "reader":
        return {
            "WRITEGATE_BROKER_API_URL": _broker_api_url(READER, state),
            "WRITEGATE_DATABASE_URL": _database_url(READER, state),
        }
    if name in {"operator", CONSOLE}:
        return {
            "WRITEGATE_BROKER_URL": _broker_url(OPERATOR, state),
            "WRITEGATE_BROKER_API_URL": _broker_api_url(OPERATOR, state),
            "WRITEGATE_DATABASE_URL": _database_url(READER, state),
            **({"WRITEGATE_HTTP_PORT": str(state.ports[name])} if name == CONSOLE else {}),
        }
    if name == FEED:
        # Another process of the service flights, with the same broker user.
        return {**environment("flights", state), "WRITEGATE_HTTP_PORT": str(state.ports[FEED])}
    if name == "writer" or name.startswith("writer-"):
        return {
            **state.settings,
            "WRITEGATE_BROKER_URL": _broker_url(WRITER, state),
            "WRITEGATE_BROKER_API_URL": _broker_api_url(WRITER, state),
            "WRITEGATE_DATABASE_URL": _database_url(WRITER, state),
            **({"WRITEGATE_HEALTH_PORT": str(state.ports[name])} if name in state.ports else {}),
        }
    if name in state.passwords and name not in {*USERS, CONSOLE_USER}:
        return {
            **state.settings,
            "WRITEGATE_BROKER_URL": _broker_url(name, state),
            **({"WRITEGATE_HTTP_PORT": str(state.ports[name])} if name in state.ports else {}),
        }
    raise StackError(f"no process named {name!r}: expected one of {', '.join((*PROCESSES, *services()))}")


def _broker_url(user: str, state: StackState) -> str:
    return f"amqp://{user}:{state.passwords[user]}@{ADDRESS}:{state.ports['rabbitmq']}/%2F"


def _broker_api_url(user: str, state: StackState) -> str:
    return f"http://{user}:{state.passwords[user]}@{ADDRESS}:{state.ports['management']}"


def _database_url(role: str, state: StackState) -> str:
    return f"postgresql://{role}:{state.passwords[role]}@{ADDRESS}:{state.ports['postgres']}/writegate"
