"""Deciding a batch: as one transaction when all is well, as several when commands in it are at fault. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from writegate.message.receipt import Cause
from writegate_writer.decide.bisection import Isolation, Span, Stride
from writegate_writer.decide.classify import Work
from writegate_writer.decide.deferral import Key, key_of, parks_key
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.suspicion import suspect_in
from writegate_writer.errors import DatabaseFault, Fault, HandlerFault, Reject
from writegate_writer.receive.delivery import Arrived, Refused

Apply = Callable[[Work], BatchResult]

# So many rejections of one type for one cause in a row are rather a broken deployment than that many bad commands.
# They are recorded at the latest then, so that whoever counts them can hold the type for the rest.
MOST_REJECTIONS = 50

# A row that another service's command is still to bring: waited for before the command is given up.
_MISSING_PARENT = "23503"


def decide(
    apply: Apply,
    work: Work,
    done: Callable[[BatchResult], None],
    patience: Callable[[Arrived], bool],
    stride: Stride | None = None,
) -> None:
    """Decide all of ``work``, calling ``done`` after each commit. ``apply`` runs one transaction.

    ``patience``: whether a command whose parent row is missing may still wait for it. ``stride``: how much is tried at
    once, if that is remembered. Errors that are no command's
    fault are raised; what was passed to ``done`` before stays decided.
    """
    _Deciding(apply, work, done, patience, stride).run()


class _Deciding:
    def __init__(
        self,
        apply: Apply,
        work: Work,
        done: Callable[[BatchResult], None],
        patience: Callable[[Arrived], bool],
        stride: Stride | None,
    ) -> None:
        self._apply = apply
        self._work = work
        self._done = done
        self._patience = patience
        self._rejected: dict[str, Cause] = dict(work.rejected)
        self._said: set[str] = set()  # rejected on a handler's word, in the span that is tried now
        self._postponed: dict[str, str] = dict(work.postponed)
        self._isolation = Isolation(len(work.arrived), stride)
        self._refused: Sequence[Refused] = work.refused
        self._sent = work.outbox_sent
        self._nothing = Span(len(work.arrived), len(work.arrived))
        self._unrecorded: list[Arrived] = []  # found at fault, to be recorded with the next commit

    def run(self) -> None:
        while (span := self._isolation.next) is not None:
            try:
                self._attempt(span)
            except Reject as error:
                self._note_reasons(error, span)
            except DatabaseFault as error:
                if error.fault is not Fault.COMMAND:
                    raise
                # The handler thought that what is at fault would be applied: it shall think again.
                for id_ in self._said:
                    del self._rejected[id_]
                self._said.clear()
                to_blame = self._isolation.failed(self._suspect(span, error))
                if to_blame is not None:
                    self._blame(self._work.arrived[to_blame.start], error)
            else:
                self._said.clear()
                self._isolation.succeeded()
        if self._refused or self._unrecorded or self._sent is not None:
            self._attempt(self._nothing)

    def _attempt(self, span: Span) -> None:
        part = [*self._unrecorded, *self._work.arrived[span.start : span.stop]]
        work = replace(
            self._work,
            arrived=part,
            refused=self._refused,
            rejected=self._rejected,
            postponed=self._postponed,
            outbox_sent=self._sent,
        )
        self._done(self._apply(work))
        self._refused, self._sent, self._unrecorded = (), None, []

    def _suspect(self, span: Span, error: DatabaseFault) -> int | None:
        position = suspect_in(self._work.arrived[span.start : span.stop], str(error))
        return None if position is None else span.start + position

    def _blame(self, one: Arrived, error: DatabaseFault) -> None:
        if error.sqlstate == _MISSING_PARENT and self._patience(one):
            self._postponed[one.ledger_id] = str(error)
        else:
            self._rejected[one.ledger_id] = Cause(f"sqlstate-{error.sqlstate}", str(error), error.sqlstate)
        self._unrecorded.append(one)
        if len(self._unrecorded) == MOST_REJECTIONS:
            self._attempt(self._nothing)

    def _note_reasons(self, error: Reject, span: Span) -> None:
        """Take a handler's word for which commands are wrong; the span is tried again without them.

        It is final when that succeeds: then they are wrong after what was really applied before them.
        """
        part = self._work.arrived[span.start : span.stop]
        named = [one for one in part if one.item.id in error.reasons and one.ledger_id not in self._rejected]
        if not named:
            task = part[0].item.task if part else "?"
            raise HandlerFault(task, f"the handler rejected ids that it was not given: {', '.join(error.reasons)}")
        parking: set[Key | None] = set()
        for one in named:
            if parks_key(one):
                if key_of(one) in parking:
                    continue  # it waits behind the first, and may well be right once people have decided about that
                parking.add(key_of(one))
            self._rejected[one.ledger_id] = Cause("rejected", error.reasons[one.item.id])
            self._said.add(one.ledger_id)
