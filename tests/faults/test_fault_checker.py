"""The checker of the fault rig, on histories made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.faults.checker import Effect, End, Verdict, check
from tests.faults.history import Call, History, Record
from tests.services.trial.contract import Step

STEPS = [Call(f"id-{seq}", "p.0", "a", seq, bad=False) for seq in range(1, 5)]
HISTORY = History({call.id: call for call in STEPS}, {"id-1", "id-2", "id-3"}, {"id-4"})
EFFECTS = [Effect(call.id, call.stream, call.account, call.seq) for call in STEPS]
CLEAN = End(EFFECTS[:3], parked=(), deferred=(), queued=0, deadlocks=0, collisions=0, peak_connections=3, budget=3)


def verdict(*effects: Effect, history: History = HISTORY) -> Verdict:
    return check(history, replace(CLEAN, effects=effects))


def test_what_is_right_is_not_complained_about() -> None:
    clean = check(HISTORY, CLEAN)
    assert (clean.accepted, clean.applied, clean.violations) == (3, 3, ())
    # What was refused may have arrived: in its place, once.
    assert verdict(*EFFECTS).violations == ()


def test_a_loss_is_found() -> None:
    first, _, third, _ = EFFECTS
    found = verdict(first, third)
    assert found.lost == ("id-2",)
    assert found.violations == ("accepted and lost: 1, such as id-2",)


def test_what_is_parked_or_deferred_is_not_lost() -> None:
    bad = replace(STEPS[1], bad=True)
    history = replace(HISTORY, calls={**HISTORY.calls, bad.id: bad})
    end = replace(CLEAN, effects=EFFECTS[:1], parked={"id-2"}, deferred={"id-3"})
    assert check(history, end).violations == ("commands are still deferred: 1",)


def test_a_repetition_is_found_and_is_no_inversion() -> None:
    first, second, third, fourth = EFFECTS
    found = verdict(first, second, first, third)
    assert (found.doubled, found.inverted) == (("id-1",), ())
    assert verdict(first, second, third, fourth, fourth).doubled == ("id-4",), (
        "what was refused may be applied once, not twice"
    )


def test_an_inversion_is_found_within_a_stream_and_an_account() -> None:
    first, second, third, _ = EFFECTS
    assert verdict(first, third, second).inverted == ("id-3 before id-2",)
    assert verdict(third, first, second).inverted == ("id-3 before id-1", "id-3 before id-2")
    others = [replace(second, id="id-5", account="b"), replace(second, id="id-6", stream="p.1")]
    history = replace(HISTORY, calls={**HISTORY.calls, "id-5": STEPS[0], "id-6": STEPS[0]})
    assert verdict(first, others[0], second, others[1], third, history=history).violations == ()


def test_what_nobody_published_and_what_is_parked_wrongly_is_found() -> None:
    stranger = replace(EFFECTS[0], id="id-9", account="z")
    assert verdict(*EFFECTS, stranger).violations == ("applied though nobody published it: 1, such as id-9",)
    assert check(HISTORY, replace(CLEAN, effects=EFFECTS[:2], parked={"id-3"})).violations == (
        "parked though nothing is wrong with it: 1, such as id-3",
    )


def test_what_is_counted_is_found() -> None:
    end = replace(CLEAN, queued=2, deadlocks=1, collisions=4, peak_connections=5)
    assert check(HISTORY, end).violations == (
        "messages are still at the broker: 2",
        "deadlocks: 1",
        "transactions of one domain at once: 4",
        "connections over the budget: 2",
    )


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    first, second, third = (Step(account="a", stream="p.0", seq=seq, bad=seq == 3) for seq in (1, 2, 3))
    record = Record(path)
    record.intent("p.0", [first, second])
    record.accepted([first, second])
    record.intent("p.0", [third])
    record.refused([third], ValueError("no"))
    record.close()
    with path.open("ab") as file:
        file.write(b'{"what": "accep')  # its publisher was killed
    history = History.read([path])
    assert history.accepted == {first.command_id, second.command_id}
    assert history.refused == {third.command_id}
    assert history.calls[third.command_id] == Call(third.command_id, "p.0", "a", 3, bad=True)
