"""The progress that a stream shows."""

from __future__ import annotations

import io

from writegate.integrations.stream import Progress, StreamCounters


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def output_of(stream: io.StringIO) -> str:
    progress = Progress("flights", stream)
    for count in range(1, 1001):
        progress(StreamCounters(count, count / 100, 0.0))
    progress.close(StreamCounters(1000, 10.0, 0.0))
    return stream.getvalue()


def test_lines_now_and_then_and_at_the_end() -> None:
    assert output_of(io.StringIO()).splitlines() == [
        "flights: 1 commands accepted, 100/s",
        "flights: 1,000 commands accepted, 100/s",
    ]


def test_one_line_that_is_written_over_on_a_terminal() -> None:
    text = output_of(Terminal())
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text.rpartition("\r")[2].startswith("flights: 1,000 commands accepted")
