"""The relays that faults go through, in front of a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from tests.broker import DEADLINE_SECONDS, eventually
from tests.faults.commits import CommitRelay
from tests.servers import SUPERUSER, Servers

NAME = "relay_test"


@pytest.fixture
def relay(servers: Servers) -> Iterator[CommitRelay]:
    servers.create_database(NAME)
    with closing(servers.superuser(NAME)) as superuser, superuser.cursor() as cursor:
        cursor.execute("CREATE TABLE note (text text)")
        made = CommitRelay(servers.stack.state.ports["postgres"])
        yield made
        made.close()
    with closing(servers.superuser()) as superuser, superuser.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def connect(servers: Servers, relay: CommitRelay) -> psycopg2.extensions.connection:
    opened = psycopg2.connect(relay.in_place(servers.database_url(SUPERUSER, NAME)))
    opened.autocommit = True
    return opened


def notes(servers: Servers) -> list[str]:
    with closing(servers.superuser(NAME)) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT text FROM note ORDER BY text")
        return [text for (text,) in cursor.fetchall()]


def test_the_answer_to_one_commit_is_lost_and_the_commit_is_not(servers: Servers, relay: CommitRelay) -> None:
    with closing(connect(servers, relay)) as first, closing(connect(servers, relay)) as second:
        relay.cutting.arm()
        with first.cursor() as cursor:
            cursor.execute("BEGIN; INSERT INTO note VALUES ('first')")
            with pytest.raises(psycopg2.OperationalError):
                cursor.execute("COMMIT")
        assert relay.cutting.done.wait(DEADLINE_SECONDS)
        assert notes(servers) == ["first"]
        with second.cursor() as cursor:
            cursor.execute("BEGIN; INSERT INTO note VALUES ('second')")
            cursor.execute("COMMIT")
        assert notes(servers) == ["first", "second"]


def test_what_is_swallowed_never_arrives(servers: Servers, relay: CommitRelay) -> None:
    with closing(connect(servers, relay)) as opened, opened.cursor() as cursor, ThreadPoolExecutor(1) as threads:
        relay.swallow()
        inserting = threads.submit(cursor.execute, "INSERT INTO note VALUES ('swallowed')")
        # Nothing tells the client until the connection is reset; then it is too late for the server.
        eventually(lambda: relay.swallowed_bytes > 0, "the statement is sent")
        assert not inserting.done()
        relay.reset()
        assert isinstance(inserting.exception(DEADLINE_SECONDS), psycopg2.OperationalError)
    assert notes(servers) == []
    with closing(connect(servers, relay)) as opened, opened.cursor() as cursor:
        cursor.execute("INSERT INTO note VALUES ('later')")
    assert notes(servers) == ["later"]
