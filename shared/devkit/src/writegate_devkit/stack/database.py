"""A private PostgreSQL server: its cluster, its configuration, and the steps that need its superuser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from writegate_devkit.stack.broker import give
from writegate_devkit.stack.environment import ADDRESS, OWNER, SUPERUSER
from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.home import Home
from writegate_devkit.stack.programs import Program
from writegate_devkit.stack.stack_state import StackState

USER = "postgres"
INSTALLED = Path("/usr/lib/postgresql")


def directory(home: Home) -> Path:
    """Return the cluster's data directory."""
    return home.state / "postgres"


def binaries(home: Home) -> Path:
    """Return the directory of the server's programs: of the version that made the cluster, or of the newest one.

    Raises :class:`StackError` when there is none.
    """
    made_by = directory(home) / "PG_VERSION"
    wanted = made_by.read_text().strip() if made_by.exists() else r"\d+"
    versions = [
        path
        for path in INSTALLED.glob("*/bin")
        if re.fullmatch(wanted, path.parent.name) and (path / "initdb").exists()
    ]
    if not versions:
        version = f"PostgreSQL {wanted}, which made {directory(home)}," if made_by.exists() else "PostgreSQL"
        raise StackError(
            f"{version} is not installed (nothing in {INSTALLED}): run `make setup`, or `apt-get install postgresql`"
        )
    return max(versions, key=lambda path: int(path.parent.name))


def prepare(home: Home, state: StackState) -> None:
    """Make the cluster if there is none, and write its configuration."""
    data = directory(home)
    if not (data / "PG_VERSION").exists():
        _initialise(home, state)
    own = f"""
# Added by the local stack.
listen_addresses = '{ADDRESS}'
port = {state.ports["postgres"]}
unix_socket_directories = ''  # everything goes through the loopback address
"""
    configuration = data / "postgresql.conf"
    configuration.write_text((home.checkout / "deploy/postgres/postgresql.conf").read_text() + own)
    give(configuration, USER)


def program(home: Home, state: StackState) -> Program:
    """Return the server as a program to supervise."""
    return Program(
        "postgres",
        (str(binaries(home) / "postgres"), "-D", str(directory(home))),
        address=f"postgresql://{ADDRESS}:{state.ports['postgres']}/writegate",
        environment={"LC_ALL": "C.UTF-8"},
        directory=directory(home),
        user=USER,
        priority=20,
        # INT: end the sessions and stop. TERM would wait for every client to leave by itself.
        stop_signal="INT",
        stop_seconds=60,
    )


def bootstrap(home: Home, state: StackState) -> None:
    """Create the owner role and the database. Raises :class:`StackError` with psql's message."""
    script = home.checkout / "deploy/postgres/bootstrap.sql"
    done = subprocess.run(
        [binaries(home) / "psql", "--no-psqlrc", "--quiet", "--host", ADDRESS, "--port", str(state.ports["postgres"]),
         "--username", SUPERUSER, "--dbname", "postgres", "--file", script],
        env={
            "PATH": os.defpath,
            "PGPASSWORD": state.passwords[SUPERUSER],
            "WRITEGATE_PASSWORD_WRITEGATE_OWNER": state.passwords[OWNER],
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise StackError(f"PostgreSQL refused {script.name}: {done.stderr.strip()}")


def _initialise(home: Home, state: StackState) -> None:
    data = directory(home)
    # A cluster that was interrupted while being made has no PG_VERSION and is of no use.
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    password_file = home.run / "superuser-password"
    password_file.touch(mode=0o600)
    password_file.write_text(state.passwords[SUPERUSER])
    for path in (data, password_file):
        give(path, USER)
    root = os.geteuid() == 0  # initdb refuses to run as root
    try:
        done = subprocess.run(
            [binaries(home) / "initdb", "--pgdata", data, "--username", SUPERUSER, "--pwfile", password_file,
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums"],
            user=USER if root else None, group=USER if root else None, extra_groups=[] if root else None,
            cwd=data, env={"PATH": os.defpath}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        password_file.unlink()
    if done.returncode:
        raise StackError(f"initdb failed: {done.stderr.strip()}")
