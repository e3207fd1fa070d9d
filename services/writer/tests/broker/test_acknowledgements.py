"""Acknowledgements: exactly what is settled, never a message that is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from writegate_writer.broker.acknowledgements import Acks


class Channel:
    """What a broker keeps of a channel: its unacknowledged deliveries."""

    def __init__(self) -> None:
        self.unacked: set[int] = set()

    def ack(self, tag: int, multiple: bool) -> None:
        covered = {one for one in self.unacked if one <= tag} if multiple else {tag} & self.unacked
        # A broker closes the channel for an acknowledgement of nothing.
        assert covered, f"unknown delivery tag {tag}"
        self.unacked -= covered


@given(st.data())
def test_exactly_the_settled_messages_are_acknowledged(data: st.DataObject) -> None:
    acks, channel = Acks(), Channel()
    settled: set[int] = set()
    delivered = 0
    for _ in range(data.draw(st.integers(0, 30))):
        if data.draw(st.booleans()):
            delivered += 1
            acks.delivered(delivered)
            channel.unacked.add(delivered)
            continue
        waiting = sorted(channel.unacked)
        chosen = data.draw(st.lists(st.sampled_from(waiting), unique=True)) if waiting else []
        for tag, multiple in acks.settle(chosen):
            channel.ack(tag, multiple)
        settled |= set(chosen)
        assert channel.unacked == set(range(1, delivered + 1)) - settled
        assert len(acks) == len(channel.unacked)


def test_what_is_settled_without_a_gap_takes_one_frame() -> None:
    acks = Acks()
    for tag in range(1, 1001):
        acks.delivered(tag)
    assert acks.settle(range(1, 501)) == [(500, True)]
    assert acks.settle(reversed(range(501, 1001))) == [(1000, True)]
    assert len(acks) == 0


def test_what_is_above_a_gap_is_acknowledged_one_by_one() -> None:
    acks = Acks()
    for tag in (1, 2, 3, 4, 5):
        acks.delivered(tag)
    assert acks.settle([1, 3, 5]) == [(1, True), (3, False), (5, False)]
    assert acks.settle([2]) == [(2, True)]
    assert acks.settle([4]) == [(4, True)]


def test_nothing_settled_sends_nothing() -> None:
    assert Acks().settle([]) == []
