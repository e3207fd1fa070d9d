"""What is asked of a connection about a commit; that the answers are true is tested on real servers."""

from __future__ import annotations

import asyncio

import pytest

from writegate.message.receipt import Cause, Receipt


def test_what_has_no_effect_yet_is_visible_nowhere() -> None:
    waiting = Receipt("c-1", "deferred", cause=Cause("deferred", "held"))
    assert waiting.visible_on(None) is False
    assert asyncio.run(waiting.avisible_on(None)) is False


def test_what_is_no_connection_is_told_so() -> None:
    applied = Receipt("c-1", "applied", 7, "0/16B3748")
    with pytest.raises(TypeError, match="expected a database connection or session, got str"):
        applied.visible_on("postgresql://")
    with pytest.raises(TypeError, match="expected a database connection or session, got str"):
        asyncio.run(applied.avisible_on("postgresql://"))


def test_a_position_that_is_none_does_not_become_sql() -> None:
    with pytest.raises(ValueError, match="expected a WAL position such as 0/16B3748"):
        Receipt("c-1", "applied", 7, "0/0'::pg_lsn; DROP TABLE x --").visible_on(None)
