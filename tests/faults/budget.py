"""How many connections the writers have, sampled all the time, against the budget."""

from __future__ import annotations

import psycopg2

from tests.faults.sampling import Sampling
from tests.integration.gate import WRITER, Gate

_COUNT = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"


class Budget(Sampling):
    """Counts the connections of the writer role; fails when there were too many at once."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        self.most = 0

    def check(self) -> None:
        """Fail when the budget was exceeded, or nothing was seen."""
        allowed = self.gate.connections
        assert self.samples > 10, f"the connections were counted {self.samples} times only"
        assert 0 < self.most <= allowed, f"the writers had {self.most} connections at once, the budget is {allowed}"

    def sample(self, cursor: psycopg2.extensions.cursor) -> None:
        cursor.execute(_COUNT, [WRITER])
        [count] = cursor.fetchone() or (0,)
        self.most = max(self.most, count)
