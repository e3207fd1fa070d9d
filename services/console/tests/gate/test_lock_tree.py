"""Who waits for whose lock."""

from __future__ import annotations

from writegate_console.gate.connections.locks import lock_tree


def locked(pid: int, *blockers: int) -> dict[str, object]:
    names = ("role", "application", "state", "transaction_seconds", "statement")
    return {"pid": pid, "blockers": list(blockers), **dict.fromkeys(names)}


def test_who_waits_stands_below_whom_it_waits_for() -> None:
    found = lock_tree([locked(1), locked(3, 2), locked(2, 1), locked(4, 1), locked(9, 8)])
    assert [(session.pid, session.depth) for session in found] == [(1, 0), (2, 1), (3, 2), (4, 1), (9, 0)]


def test_a_cycle_of_locks_is_shown_whole() -> None:
    assert sorted(session.pid for session in lock_tree([locked(1, 2), locked(2, 1)])) == [1, 2]
