"""Which services have too much parked."""

from __future__ import annotations

from typing import Any, cast

import pytest

from writegate.config import Settings
from writegate_writer.database.parked_limit import ParkedLimit
from writegate_writer.database.session import Session


class Counted:
    """A session that returns these counts."""

    def __init__(self, *rows: tuple[str, int, int]) -> None:
        self.rows = rows

    def own(self, _: str) -> list[Any]:
        return list(self.rows)


def session(*rows: tuple[str, int, int]) -> Session:
    return cast(Session, Counted(*rows))


LIMITS = {"WRITEGATE_PARKED_COMMANDS": "1000", "WRITEGATE_PARKED_BYTES": "10240"}


@pytest.mark.parametrize("row", [("trial", 1000, 1), ("trial", 1, 10240)])
def test_too_many_or_too_large(row: tuple[str, int, int]) -> None:
    limit = ParkedLimit(Settings.load(LIMITS))
    assert not limit.full("trial")
    limit.tick(session(row, ("shards", 999, 10239)))
    assert limit.full("trial")
    assert not limit.full("shards")


def test_it_goes_on_when_enough_is_decided() -> None:
    limit = ParkedLimit(Settings.load(LIMITS))
    limit.tick(session(("trial", 1000, 1)))
    limit.tick(session(("trial", 950, 1)))
    assert limit.full("trial"), "else it would stop and go on all the time"
    limit.tick(session(("trial", 899, 1)))
    assert not limit.full("trial")


def test_what_operators_do_is_never_stopped() -> None:
    limit = ParkedLimit(Settings.load(LIMITS))
    limit.tick(session(("writegate", 5000, 50_000)))
    assert not limit.full("writegate")
