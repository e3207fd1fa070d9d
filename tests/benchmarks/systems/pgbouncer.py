"""Services that write directly through PgBouncer: many clients share few connections, a transaction at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from tests.benchmarks.place import OWN_SESSIONS, Place
from tests.benchmarks.systems.base import Running, System
from tests.benchmarks.systems.direct import services
from tests.servers import SUPERUSER
from writegate_devkit.stack.broker import give
from writegate_devkit.stack.database import USER
from writegate_devkit.stack.ports import choose
from writegate_devkit.stack.readiness import wait_until

_PROGRAM = "/usr/sbin/pgbouncer"
_CLIENTS = 64
_SERVER_CONNECTIONS = 4
_START_SECONDS = 30.0

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
logfile = {log}
log_connections = 0
log_disconnections = 0
"""


@contextmanager
def _running(place: Place) -> Iterator[Running]:
    with _bouncer(place) as (process, port):
        url = place.url.replace(f":{place.port}/", f":{port}/")
        _wait_ready(process, url)
        with services(url, _CLIENTS) as started:
            yield Running(started, "services", others={"pgbouncer": [process.pid]})


@contextmanager
def _bouncer(place: Place) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a private PgBouncer; yield it and its port."""
    port = choose(("pgbouncer",), {})["pgbouncer"]
    directory = Path(tempfile.mkdtemp(prefix="wg-pgbouncer-"))
    users, configuration = directory / "users.txt", directory / "pgbouncer.ini"
    # In plain text: PgBouncer also needs it to log on to the server. The directory is open to one user only.
    users.write_text(f'"{SUPERUSER}" "{place.servers.stack.state.passwords[SUPERUSER]}"\n')
    configuration.write_text(
        _CONFIGURATION.format(
            server=place.port, port=port, users=users, connections=_SERVER_CONNECTIONS, log=directory / "pgbouncer.log"
        )
    )
    give(directory, USER)
    root = os.geteuid() == 0  # PgBouncer refuses to run as root
    process = subprocess.Popen(
        [_PROGRAM, "--quiet", configuration],
        user=USER if root else None, group=USER if root else None, extra_groups=[] if root else None,
        cwd=directory, env={"PATH": os.defpath},
    )  # fmt: skip
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)


def _wait_ready(process: subprocess.Popen[bytes], url: str) -> None:
    def answers() -> bool:
        try:
            psycopg2.connect(url, application_name=OWN_SESSIONS).close()
        except psycopg2.OperationalError:
            return process.poll() is not None
        return True

    if not wait_until(answers, _START_SECONDS) or process.poll() is not None:
        raise RuntimeError(f"PgBouncer does not answer; it ended with {process.poll()}")


pgbouncer = System(
    "pgbouncer",
    f"psycopg2 from {_CLIENTS} clients of PgBouncer, transaction pooling, {_SERVER_CONNECTIONS} server connections",
    _running,
    variants=True,
)
