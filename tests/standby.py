"""A streaming replica of the private PostgreSQL, whose replay can be stopped and resumed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from tests.deadlines import patient
from tests.servers import SUPERUSER, Servers
from writegate_devkit.stack.database import USER, binaries
from writegate_devkit.stack.ports import choose
from writegate_devkit.stack.readiness import wait_until

START_SECONDS = patient(120)


@dataclass(frozen=True)
class Standby:
    """A running replica."""

    servers: Servers
    port: int

    def url(self, database: str) -> str:
        """Return a URL for the superuser."""
        primary = self.servers.stack.state.ports["postgres"]
        return self.servers.database_url(SUPERUSER, database).replace(f":{primary}/", f":{self.port}/")

    def pause(self) -> None:
        """Replay nothing more, whatever arrives."""
        self._run("SELECT pg_wal_replay_pause()")
        assert wait_until(lambda: self._run("SELECT pg_get_wal_replay_pause_state()") == "paused", START_SECONDS)

    def resume(self) -> None:
        """Replay what has arrived, and go on."""
        self._run("SELECT pg_wal_replay_resume()")

    def _run(self, query: str) -> object:
        with closing(psycopg2.connect(self.url("postgres"))) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return (cursor.fetchone() or (None,))[0]

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            return self._run("SELECT pg_is_in_recovery()") is True
        except psycopg2.OperationalError:
            return False


@contextmanager
def standby_of(servers: Servers) -> Iterator[Standby]:
    """Copy the database server and let the copy follow it, for as long as the block lasts."""
    programs = binaries(servers.stack.home)
    root = os.geteuid() == 0  # the server refuses to run as root
    directory = Path(tempfile.mkdtemp(prefix="wg-standby-"))
    standby = Standby(servers, choose(("standby",), {})["standby"])
    process: subprocess.Popen[bytes] | None = None

    def start(*command: str | Path) -> subprocess.Popen[bytes]:
        with (directory / "log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=directory, stdout=log, stderr=subprocess.STDOUT, env={"PATH": os.defpath},
                user=USER if root else None, group=USER if root else None, extra_groups=[] if root else None,
            )  # fmt: skip

    try:
        directory.chmod(0o700)
        if root:
            shutil.chown(directory, USER, USER)
        primary = servers.database_url(SUPERUSER, "postgres")
        copy = start(programs / "pg_basebackup", "--dbname", primary, "--pgdata", directory / "data",
                     "--write-recovery-conf", "--checkpoint", "fast")  # fmt: skip
        assert copy.wait(START_SECONDS) == 0, (directory / "log").read_text()
        process = start(programs / "postgres", "-D", directory / "data", "-c", f"port={standby.port}")
        assert wait_until(standby.answers, START_SECONDS), (directory / "log").read_text()
        yield standby
    finally:
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            process.wait(START_SECONDS)
        shutil.rmtree(directory)
