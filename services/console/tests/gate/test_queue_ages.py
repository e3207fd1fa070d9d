"""How old what waits in a queue is, from the broker's samples."""

from __future__ import annotations

import pytest

from writegate_console.gate.status.ages import QueueSamples, oldest_arrival_millis
from writegate_console.gate.status.depths import samples_of

TIMES = range(60_000, 0, -5_000)  # newest first


def samples(messages: list[int], acknowledged: list[int]) -> QueueSamples:
    return QueueSamples(dict(zip(TIMES, messages, strict=False)), dict(zip(TIMES, acknowledged, strict=False)))


@pytest.mark.parametrize(
    ("messages", "acknowledged", "since"),
    [
        ([3, 3, 2, 0, 0], [9, 9, 9, 9, 8], 50_000),  # nobody consumes since it was empty
        ([5, 4, 3, 2, 1, 1], [9, 9, 9, 8, 8, 7], 45_000),  # two were in it when it was consumed last, one is left
        ([1, 0, 0], [4, 4, 4], 60_000),  # it came with the last sample
        ([0, 0], [4, 4], 60_000),  # it came after the last sample
        ([5, 5, 5], [4, 4, 4], None),  # longer ago than all samples
        ([2, 2, 1, 0], [], 50_000),  # nothing was ever acknowledged
        ([7, 7, 0, 0], [0, 0, 0, 0], 55_000),  # the broker was restarted, and counts from zero again
    ],
)
def test_the_first_after_as_many_as_are_acknowledged(
    messages: list[int], acknowledged: list[int], since: int | None
) -> None:
    assert oldest_arrival_millis(samples(messages, acknowledged)) == since


def test_an_answer_without_counters_is_an_empty_queue() -> None:
    empty: list[object] = [
        {},
        [],
        {"messages_details": [], "message_stats": []},
        {"message_stats": {"ack_details": []}},
    ]
    assert [samples_of(answer) for answer in empty] == [QueueSamples({}, {})] * len(empty)
    assert samples_of({"messages_details": {"samples": [{"timestamp": 5, "sample": 1}]}}).messages == {5: 1}
