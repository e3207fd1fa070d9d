"""Ids: UUIDv7, increasing, with the time in them."""

from __future__ import annotations

import os
import threading
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from writegate.contract import ids


def test_an_id_is_a_canonical_uuid_of_version_7() -> None:
    value = uuid.UUID(made := ids.new_id())
    assert (value.version, value.variant, str(value)) == (7, uuid.RFC_4122, made)


def test_an_id_carries_the_time_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    carried = ids.millis_of(ids.new_id())
    assert carried is not None
    # A process that has made ids in this millisecond already counts on from there, so it may be ahead but not by much.
    assert before <= carried <= time.time_ns() // 1_000_000 + 1


def test_ids_increase_and_differ_across_threads() -> None:
    made: list[list[str]] = [[] for _ in range(8)]
    start = threading.Barrier(len(made))

    def make(into: list[str]) -> None:
        start.wait()
        into.extend(ids.new_id() for _ in range(2000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(into == sorted(into) for into in made)
    assert len(set().union(*made)) == 8 * 2000


def test_ids_increase_while_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([time.time_ns() - step * 1_000_000_000 for step in range(100)])
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    made = [ids.new_id() for _ in range(100)]
    assert made == sorted(set(made))


def test_a_fork_does_not_make_the_same_ids_as_its_parent() -> None:
    ahead = ids._last = (time.time_ns() // 1_000_000 + 60_000) << ids._COUNTER_BITS  # noqa: SLF001  a clock set back
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, ids.new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs, ours = os.read(reader, 36).decode(), ids.new_id()
    os.close(reader)
    os.close(writer)
    ids._last = 0  # noqa: SLF001  for the tests that follow
    assert ids.millis_of(ours) == ahead >> ids._COUNTER_BITS  # noqa: SLF001
    assert len(theirs) == 36
    assert theirs != ours


@pytest.mark.parametrize(
    "other",
    ["", "order-17", "6f2b1ad4-6f0e-4a52-8f3e-0d7a9f5b1c11", "00000000-0000-0000-0000-000000000000", "\0", "\ud800"],
)
def test_only_version_7_carries_a_time(other: str) -> None:
    assert ids.millis_of(other) is None


def test_the_time_of_a_known_id() -> None:
    # The example of RFC 9562, appendix A.6.
    assert ids.millis_of("017F22E2-79B0-7CC3-98C4-DC0C0C07398F") == 0x017F22E279B0


@given(st.text())
def test_reading_the_time_never_fails(text: str) -> None:
    assert ids.millis_of(text) is None or uuid.UUID(text).version == 7
