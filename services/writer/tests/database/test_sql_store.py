"""What a handler may do to the thread that runs it: nothing."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest

from tests.sample import Deposit, accounts
from writegate_writer.database import store as sql_store
from writegate_writer.database.store import SqlStore
from writegate_writer.errors import HandlerFault
from writegate_writer.handlers.writes import Writes
from writegate_writer.schedule.clock import SystemClock


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, GeneratorExit, ZeroDivisionError])
def test_whatever_a_handler_raises_is_its_own_fault(monkeypatch: pytest.MonkeyPatch, end: type[BaseException]) -> None:
    monkeypatch.setattr(sql_store, "event", MagicMock())

    def handler(*_: Any) -> None:
        raise end("over")

    writes: Any = MagicMock(spec=Writes, handlers={"accounts.deposit": handler})
    session: Any = MagicMock()
    store = SqlStore(session, {accounts.name: writes}, SystemClock(), MagicMock())
    with pytest.raises(HandlerFault, match=f"the handler failed: {end.__name__}"):
        store.call(accounts.name, "accounts.deposit", [Deposit(account="a", amount=1)])
