"""From a key to a lane. The vectors are fixed: a lane that moves breaks order per key in every running system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from writegate.contract.lanes import lane_of

# (key, CRC-32 of its UTF-8 form, lane of 4, lane of 7)
GOLDEN = [
    ("", 0x00000000, 0, 0),
    ("123456789", 0xCBF43926, 2, 5),  # the published check value of CRC-32
    ("UA1545/2013-01-01/EWR", 0x2D8EC30A, 2, 6),
    ("N14228", 0x8505E96E, 2, 2),
    ("Zürich", 0xD30BA93E, 2, 5),
    ("東京", 0x922642EF, 3, 4),
    ("🛫", 0x82DC1FC7, 3, 4),
]


@pytest.mark.parametrize(("key", "crc", "of_four", "of_seven"), GOLDEN)
def test_golden_vectors(key: str, crc: int, of_four: int, of_seven: int) -> None:
    assert (lane_of(key, 2**32), lane_of(key, 4), lane_of(key, 7)) == (crc, of_four, of_seven)


def test_without_a_key_it_is_lane_0() -> None:
    assert {lane_of(None, lanes) for lanes in range(1, 100)} == {0}


def crc32_by_the_book(data: bytes) -> int:
    """The polynomial division, bit by bit (ITU-T V.42, section 8.1.1.6.2)."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@given(st.text(), st.integers(1, 64))
def test_every_key_has_the_lane_that_any_language_computes(key: str, lanes: int) -> None:
    assert lane_of(key, lanes) == crc32_by_the_book(key.encode()) % lanes


def test_keys_spread_evenly() -> None:
    of_lane = [0] * 8
    for number in range(8000):
        of_lane[lane_of(f"N{number}", 8)] += 1
    assert min(of_lane) > 800, of_lane
