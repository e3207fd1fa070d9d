"""What the ledger takes on disk."""

from __future__ import annotations

from datetime import timedelta

from writegate_writer.provision.ledger_size import USUAL_ROW_BYTES, ledger_shares

WEEK = timedelta(days=7)


def test_a_service_takes_its_rows_and_will_take_as_many_days_like_the_last() -> None:
    (share,) = ledger_shares([("flights", WEEK, 300_000, 100_000)], all_bytes=40_000_000, all_rows=320_000)
    assert (share.bytes, share.bytes_at_this_rate) == (300_000 * 125, 700_000 * 125)


def test_a_ledger_too_small_to_measure_has_rows_of_the_usual_size() -> None:
    (share,) = ledger_shares([("flights", WEEK, 10, 10)], all_bytes=400_000, all_rows=10)
    assert share.bytes == 10 * USUAL_ROW_BYTES
