"""Finding the commands at fault in a batch that failed: by bisection, and by trying a suspected command first. Pure.

A batch that fails is halved; a half that succeeds is committed. When the first half of a failing span succeeds, the
fault must be in the second, which is halved at once without trying it whole. So one command at fault among n costs
about log2(n) + 2 failing and log2(n) succeeding transactions. With many at fault some of the others are still committed
on the way.

When a command is suspected, the commands before it are tried next, and then it alone: if it is at fault, finding it
costs three transactions. After one wrong suspicion later ones in the same batch are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# When many commands are at fault, large spans fail again and again. But a transaction by itself costs as much as some
# dozens of commands, so smaller spans than the least are not worth it.
_LEAST_COMMANDS, _MOST_COMMANDS = 16, 2**20


@dataclass(frozen=True, slots=True)
class Span:
    """Positions ``start`` to ``stop`` (not included) of a batch."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Stride:
    """How many commands are tried at once: half as many after a failure, twice as many after a success.

    It is kept from one batch to the next: after one command at fault there may be more. Each domain has its own; only
    the slot thread that takes the domain's turn touches it.
    """

    def __init__(self) -> None:
        self.commands = _MOST_COMMANDS

    def succeeded(self, tried: int) -> None:
        """So many commands were committed at once."""
        if tried >= self.commands:
            self.commands = min(2 * tried, _MOST_COMMANDS)

    def failed(self, tried: int) -> None:
        """Of so many commands that were tried at once, some are at fault."""
        self.commands = max(min(tried, self.commands) // 2, _LEAST_COMMANDS)


@dataclass(frozen=True, slots=True)
class _Todo:
    span: Span
    faulty: bool = False  # known to hold a fault: halve it without trying it whole
    first_half: bool = False  # of a faulty span: if it succeeds, the fault is in the second, right below it
    untried: bool = False  # nothing is known of it: no more than a stride of it is tried at once
    suspected: bool = False


class Isolation:
    """What to try next. Call :meth:`succeeded` or :meth:`failed` for each span that :attr:`next` names.

    ``alone``: positions, ascending, of what is tried by itself.
    """

    def __init__(self, size: int, stride: Stride | None = None, alone: Sequence[int] = ()) -> None:
        # What is left, the leftmost on top: spans are committed from left to right, so no key changes its order.
        self._left: list[_Todo] = []
        stop = size
        for position in reversed(alone):
            self._left += [_Todo(Span(position + 1, stop), untried=True)] if position + 1 < stop else []
            self._left.append(_Todo(Span(position, position + 1)))
            stop = position
        self._left += [_Todo(Span(0, stop), untried=True)] if stop else []
        self._stride = stride or Stride()
        self._misled = False

    @property
    def next(self) -> Span | None:
        """The span to try now; None when all is decided."""
        while self._left:
            top = self._left[-1]
            if top.untried and len(top.span) > self._stride.commands:
                self._split(self._left.pop().span, self._stride.commands)
            elif not top.faulty or len(top.span) == 1:
                return top.span
            else:
                self._halve(self._left.pop().span)
        return None

    def succeeded(self) -> None:
        """The span was committed."""
        todo = self._left.pop()
        self._stride.succeeded(len(todo.span))
        self._misled |= todo.suspected
        if todo.first_half:
            second = self._left.pop()
            self._left.append(_Todo(second.span, faulty=True))

    def failed(self, suspect: int | None = None) -> Span | None:
        """The span was rolled back. Returns it when it is a single command: that command is at fault.

        ``suspect``: the position in it of the command that seems to be at fault.
        """
        span = self._left.pop().span
        if len(span) == 1:
            return span
        self._stride.failed(len(span))
        if suspect is None or self._misled:
            self._halve(span)
        else:
            self._single_out(span, suspect)
        return None

    def _halve(self, span: Span) -> None:
        middle = (span.start + span.stop) // 2
        self._left.append(_Todo(Span(middle, span.stop)))
        self._left.append(_Todo(Span(span.start, middle), first_half=True))

    def _split(self, span: Span, commands: int) -> None:
        middle = span.start + commands
        self._left.append(_Todo(Span(middle, span.stop), untried=True))
        self._left.append(_Todo(Span(span.start, middle)))

    def _single_out(self, span: Span, suspect: int) -> None:
        after = Span(suspect + 1, span.stop)
        if self._left and self._left[-1].untried:
            after = Span(after.start, self._left.pop().span.stop)
        if after:
            self._left.append(_Todo(after, untried=True))
        self._left.append(_Todo(Span(suspect, suspect + 1), suspected=True))
        if suspect > span.start:
            self._left.append(_Todo(Span(span.start, suspect)))
