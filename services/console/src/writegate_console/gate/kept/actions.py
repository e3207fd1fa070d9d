"""What people may do with many parked or deferred commands at once, and by which operation. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from writegate.contract.operations import (
    DEFERRED,
    PARKED,
    Drop,
    DropDeferred,
    DryRun,
    DryRunDeferred,
    KeptTable,
    OnFirst,
    OnKept,
    ParkDeferred,
    Replay,
    ReplayDeferred,
)

Action = Literal["replay", "park", "drop"]
KeptName = Literal["parked", "deferred"]

TABLES: Mapping[KeptName, KeptTable] = {"parked": PARKED, "deferred": DEFERRED}
OPERATIONS: Mapping[KeptName, Mapping[Action, type[OnKept]]] = {
    "parked": {"replay": Replay, "drop": Drop},
    "deferred": {"replay": ReplayDeferred, "park": ParkDeferred, "drop": DropDeferred},
}
DRY_RUNS: Mapping[KeptName, type[OnFirst]] = {"parked": DryRun, "deferred": DryRunDeferred}
