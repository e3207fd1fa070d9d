"""Connections as they are counted, and compared with a baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from writegate.errors import WritegateError
from writegate_console.gate.connections.baseline import read_baseline, write_baseline
from writegate_console.gate.connections.counts import ConnectionCounts, CountDifference, DirectWriter, compare
from writegate_console.gate.connections.ways import PrivilegedRole, TableWrites


def test_a_revoke_quotes_names_and_leaves_public_alone() -> None:
    quoted = DirectWriter('odd"role', "flights", "airport_day", ("INSERT", "UPDATE"), 1)
    assert quoted.revoke == 'REVOKE INSERT, UPDATE ON "flights"."airport_day" FROM "odd""role";'
    public = DirectWriter("PUBLIC", "flights", "a", ("DELETE",), 0)
    assert public.revoke == 'REVOKE DELETE ON "flights"."a" FROM PUBLIC;'


def test_each_count_is_compared() -> None:
    before, now = ConnectionCounts(64, 3, 9, 30), ConnectionCounts(5, 0, 0, 30)
    assert compare(before, now)[0] == CountDifference("connections", 64, 5)


def test_a_baseline_is_read_as_it_was_written_and_other_files_are_refused(tmp_path: Path) -> None:
    path, counts = tmp_path / "before.json", ConnectionCounts(64, 3, 9, 30)
    write_baseline(path, counts)
    assert read_baseline(path) == counts
    for text in ("", "[]", '{"connections": 1}'):
        path.write_text(text)
        with pytest.raises(WritegateError, match="is no baseline"):
            read_baseline(path)


def test_who_needs_no_grant_is_named_with_what_ends_it() -> None:
    superuser = PrivilegedRole("root", "superuser", None, (), 2, ("psql", ""), gate_owner=False)
    assert str(superuser) == "root is a superuser; sessions now: 2 (psql, unnamed)"
    owner = PrivilegedRole("shop", "owner", None, ("s.a", "s.b"), 0, (), gate_owner=False)
    assert str(owner) == "shop owns s.a, s.b; sessions now: none"
    assert "OWNER TO the role that runs `writegate apply`" in owner.advice
    member = PrivilegedRole("night", "member", "shop", ("s.a",), 0, (), gate_owner=False)
    assert (str(member).partition(";")[0], member.advice) == (
        "night is a member of shop, with rights on s.a",
        'REVOKE "shop" FROM "night";',
    )


def test_a_table_that_changed_without_a_command_was_written_without_the_gate() -> None:
    assert TableWrites("s.a", 15_000, 0, 0, 0, None).without_the_gate
    assert not TableWrites("s.a", 15_000, 0, 0, 1, None).without_the_gate
    assert not TableWrites("s.a", 0, 0, 0, 0, None).without_the_gate
