"""Connections as they are counted, and compared with a baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from writegate.errors import WritegateError
from writegate_console.gate.connections.baseline import read_baseline, write_baseline
from writegate_console.gate.connections.counts import ConnectionCounts, CountDifference, DirectWriter, compare


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
