"""Which transaction wrote a row."""

from __future__ import annotations

import pytest

from writegate_console.gate.who.row_author import EPOCH, full_xid


@pytest.mark.parametrize(
    ("xmin", "next_xid", "expected"),
    [
        (700, 1000, 700),
        (700, EPOCH + 1000, EPOCH + 700),
        (EPOCH - 5, EPOCH + 1000, EPOCH - 5),  # written before the numbers wrapped
        (1000, 1000, None),  # not in the past, and there is no epoch before
        (1000, EPOCH + 1000, 1000),
        (2, EPOCH + 1000, None),  # frozen by an old server
    ],
)
def test_a_short_transaction_number_is_the_newest_in_the_past(xmin: int, next_xid: int, expected: int | None) -> None:
    assert full_xid(xmin, next_xid) == expected
