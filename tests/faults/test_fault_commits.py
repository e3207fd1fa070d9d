"""What the relay that loses answers understands of PostgreSQL's protocol."""

from __future__ import annotations

import struct

from tests.faults.commits import Queries, is_commit
from writegate_writer.database import transaction

ENCRYPTION = struct.pack("!II", 8, 80877103)
START = struct.pack("!II", 8 + 9, 3 << 16) + b"user\0me\0\0"


def message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!I", 4 + len(payload)) + payload


TALK = (
    ENCRYPTION + START + message(b"p", b"COMMIT\0") + message(b"Q", b"BEGIN\0") + message(b"Q", b"COMMIT; SELECT 1\0")
)


def test_queries_are_seen_and_nothing_else_is_taken_for_one() -> None:
    assert list(Queries().feed(TALK)) == [b"BEGIN", b"COMMIT; SELECT 1"]


def test_a_query_is_seen_with_its_last_byte() -> None:
    queries = Queries()
    seen = [list(queries.feed(TALK[at : at + 1])) for at in range(len(TALK))]
    assert [found for found in seen if found] == [[b"BEGIN"], [b"COMMIT; SELECT 1"]]
    assert seen[-1] == [b"COMMIT; SELECT 1"]


def test_a_commit_is_seen_wherever_it_is_among_the_statements() -> None:
    queries = [b"COMMIT", b"commit; SELECT 1", f'SET LOCAL ROLE "a"; {transaction.COMMIT}'.encode()]
    assert [is_commit(query) for query in queries] == [True, True, True]
    others = [b"BEGIN", b"SELECT 'COMMIT'", b"UPDATE writegate.batch SET committed_at = now()", b"SELECT 1; committed"]
    assert [is_commit(query) for query in others] == [False, False, False, False]
