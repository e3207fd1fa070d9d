"""How long the oldest message of a queue has waited, from what the broker remembers of the queue. Pure.

A quorum queue does not tell how old its messages are, and one with a single active consumer lets nobody look at them.
But its queue is first in, first out, and the broker keeps samples of its length and of its acknowledgements for a day.
What had come in by a time is what was acknowledged by then and what was in the queue. The oldest message that waits now
is the first that came in after as many as are acknowledged by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """A time until now, and how far apart the broker's samples of it are, in seconds."""

    seconds: int
    step_seconds: int


# As RabbitMQ keeps samples of a queue by default (`management.sample_retention_policies.basic`), finest first.
WINDOWS = (Window(600, 5), Window(3_600, 60), Window(28_800, 600), Window(86_400, 1_800))


@dataclass(frozen=True, slots=True)
class QueueSamples:
    """Messages in a queue and acknowledgements since it exists, by the time of the sample in milliseconds."""

    messages: Mapping[int, int]
    acknowledged: Mapping[int, int]

    @property
    def arrived(self) -> list[tuple[int, int]]:
        """How many messages had come in by each time, newest first. Without samples none was acknowledged."""
        times = self.messages.keys() & self.acknowledged.keys() if self.acknowledged else self.messages.keys()
        return [(time, self.messages[time] + self.acknowledged.get(time, 0)) for time in sorted(times, reverse=True)]


def oldest_arrival_millis(samples: QueueSamples) -> int | None:
    """Return the first time at which the oldest message was surely in the queue; None: longer ago than all samples.

    A broker that was restarted counts from zero again: the message then arrived at its start, or before.
    """
    acknowledged = max(samples.acknowledged.values(), default=0)
    surely = max(samples.messages, default=0)
    for time, arrived in samples.arrived:
        if arrived <= acknowledged:
            return surely
        surely = time
    return None
