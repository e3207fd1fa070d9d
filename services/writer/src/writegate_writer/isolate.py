"""Finding the commands that cannot be applied, by bisection. Pure.

A batch that fails is halved; a half that succeeds is committed and done with. When the first half of a failing
span succeeds, the fault must be in the second, which is halved at once without trying it whole. So one poison
among n costs about log2(n) + 2 failing and log2(n) succeeding transactions, and many poisons still make progress.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Positions ``start`` to ``stop`` (not included) of a batch."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class _Todo:
    span: Span
    faulty: bool  # known to hold a fault: halve it without trying it whole
    first_half: bool  # of a faulty span: if it succeeds, the fault is in the second, right below it


class Isolation:
    """What to try next. Call :meth:`succeeded` or :meth:`failed` for each span that :attr:`next` names."""

    def __init__(self, size: int) -> None:
        # What is left, the leftmost on top: spans are committed from left to right, so no key changes its order.
        self._left = [_Todo(Span(0, size), faulty=False, first_half=False)] if size else []

    @property
    def next(self) -> Span | None:
        """The span to try now; None when all is decided."""
        while self._left:
            top = self._left[-1]
            if not top.faulty or len(top.span) == 1:
                return top.span
            self._halve(self._left.pop().span)
        return None

    def succeeded(self) -> None:
        """The span was committed."""
        if self._left.pop().first_half:
            second = self._left.pop()
            self._left.append(_Todo(second.span, faulty=True, first_half=False))

    def failed(self) -> Span | None:
        """The span was rolled back. Returns it when it is a single command: that one is to blame."""
        span = self._left.pop().span
        if len(span) == 1:
            return span
        self._halve(span)
        return None

    def _halve(self, span: Span) -> None:
        middle = (span.start + span.stop) // 2
        self._left.append(_Todo(Span(middle, span.stop), faulty=False, first_half=False))
        self._left.append(_Todo(Span(span.start, middle), faulty=False, first_half=True))
