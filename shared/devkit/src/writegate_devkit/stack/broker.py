"""A private RabbitMQ node: its own configuration, data, Erlang cookie and name server."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
from pathlib import Path

from writegate_devkit.stack.environment import ADDRESS, OWNER
from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.home import Home
from writegate_devkit.stack.plugins import link_plugins
from writegate_devkit.stack.programs import Program
from writegate_devkit.stack.stack_state import StackState

# The wrapper in /usr/sbin insists on root or on the user rabbitmq; this is what it calls.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER = "rabbitmq"
PLUGINS = "plugins"  # links to those that the node sees, in its directory


def directory(home: Home) -> Path:
    """Return the node's directory. It is also its HOME, so that its command line contains it (see ``orphans``)."""
    return home.state / "rabbitmq"


def prepare(home: Home, state: StackState) -> None:
    """Write the node's files. Raises :class:`StackError` when RabbitMQ is not installed."""
    epmd = shutil.which("epmd")
    if not SERVER.exists() or epmd is None:
        raise StackError(
            f"RabbitMQ is not installed (no {SERVER}): run `make setup`, or `apt-get install rabbitmq-server`"
        )
    own = directory(home)
    own.mkdir(mode=0o700, exist_ok=True)
    for name, text in _files(home, state).items():
        (own / name).write_text(text)
        (own / name).chmod(0o600)
    link_plugins(SERVER.resolve().parents[1] / "plugins", (own / "enabled_plugins").read_text(), own / PLUGINS)
    cookie = own / ".erlang.cookie"
    if not cookie.exists():
        cookie.write_text(secrets.token_hex(20))
    cookie.chmod(0o400)  # Erlang refuses one that others can read
    # Started under a path inside the state directory, so that its command line shows to which stack it belongs.
    link = home.run / "epmd"
    link.unlink(missing_ok=True)
    link.symlink_to(epmd)
    give(own, USER)


def programs(home: Home, state: StackState) -> list[Program]:
    """Return the node and its name server, which would otherwise become a daemon that nothing ends."""
    own = directory(home)
    erlang = {"ERL_EPMD_PORT": str(state.ports["epmd"]), "ERL_EPMD_ADDRESS": ADDRESS, "HOME": str(own)}
    # These arguments are split at spaces. From where the node runs it is found by its name as well, only more slowly.
    libraries = PLUGINS if " " in str(own) else own / PLUGINS
    names = Program(
        "epmd",
        (str(home.run / "epmd"), "-port", str(state.ports["epmd"]), "-address", ADDRESS),
        address=f"{ADDRESS}:{state.ports['epmd']}",
        environment=erlang,
        directory=own,
        user=USER,
        priority=10,
    )
    node = Program(
        "rabbitmq",
        (str(SERVER),),
        address=f"amqp://{ADDRESS}:{state.ports['rabbitmq']}",
        environment={
            **erlang,
            # Makes the start script become the node instead of waiting beside it: the supervisor then sees, stops
            # and kills the node itself.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": f"writegate-{home.tag}@localhost",
            "RABBITMQ_DIST_PORT": str(state.ports["distribution"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
            f"-env ERL_LIBS {libraries}",
            "RABBITMQ_PLUGINS_DIR": str(own / PLUGINS),
            "RABBITMQ_CONFIG_FILE": str(own / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(own / "mnesia"),
            "RABBITMQ_LOG_BASE": str(own / "log"),
            "RABBITMQ_LOGS": "-",
            # The machine's own broker may have files of these names in /etc/rabbitmq: they must not be read here.
            "RABBITMQ_CONF_ENV_FILE": str(own / "none.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(own / "none.config"),
        },
        directory=own,
        user=USER,
        priority=20,
        stop_seconds=60,
    )
    return [names, node]


def _files(home: Home, state: StackState) -> dict[str, str]:
    deploy = home.checkout / "deploy/rabbitmq"
    own = f"""
# Added by the local stack.
listeners.tcp.1 = {ADDRESS}:{state.ports["rabbitmq"]}
management.tcp.ip = {ADDRESS}
management.tcp.port = {state.ports["management"]}
default_user = {OWNER}
default_pass = {state.passwords[OWNER]}
default_user_tags.administrator = true
"""
    return {
        "rabbitmq.conf": (deploy / "rabbitmq.conf").read_text() + own,
        "enabled_plugins": (deploy / "enabled_plugins").read_text(),
    }


def give(directory: Path, user: str) -> None:
    """Give ``directory`` and its content to ``user`` when run as root; otherwise servers run as the current user."""
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam(user)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
