"""What an action would do, in the sentences that a person confirms."""

from __future__ import annotations

import pytest

from writegate.contract.targets import parse
from writegate_console.gate.kept.actions import Action
from writegate_console.gate.kept.search import KeptGroup
from writegate_console.gate.overview.services import LaneRow, ServiceRow
from writegate_console.web.views import effects

LANES = [LaneRow(lane, "flights", "serving", "w1", messages, 3.0, None) for lane, messages in enumerate((0, 120))]
SERVICES = [ServiceRow("flights", "serving", ["w1"], LANES, 120, 6.0, 10.0, 100.0, None, None, 12.0, 4, 0, [])]


def test_what_a_hold_would_stop_is_counted() -> None:
    of_lane = effects.of_hold(parse("flights.1"), SERVICES, {})
    assert of_lane[0].startswith("1 lane of flights")
    assert "stay in their queues: 120." in of_lane[1]
    of_table = effects.of_hold(parse("table:flights.flight"), SERVICES, {"flights": ["flights.flight"]})
    assert "Services: flights." in of_table[0]


def test_what_a_replay_moves_is_counted() -> None:
    groups = [KeptGroup("flights", "flights.record_departure", "23514", 1, 7, 7)]
    assert effects.of_move("parked", "replay", groups)[0].startswith("1 parked command ")
    assert effects.of_move("parked", "drop", [*groups, *groups])[0].startswith("2 parked commands will be dropped")


@pytest.mark.parametrize(
    ("action", "begins"),
    [
        ("replay", "3 deferred commands will be tried now, each behind those of its key"),
        ("park", "3 deferred commands will be parked"),
        ("drop", "3 deferred commands will be dropped for good"),
    ],
)
def test_what_is_done_with_deferred_commands_is_said(action: Action, begins: str) -> None:
    groups = [KeptGroup("flights", "flights.record_departure", "held: migration 12", 3, 7, 9)]
    first, *others = effects.of_move("deferred", action, groups)
    assert first.startswith(begins)
    assert others
