"""One command in one transaction, statement by statement, as a service writes directly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.jobs import Job
from tests.benchmarks.workloads import Statement

_SEEN = "insert into bench.seen (id) values (%s) on conflict do nothing"
"""How a careful service that writes directly notices a duplicate: only where there are any."""


def transact(connection: Any, job: Job, statements: Sequence[Statement], id_: int) -> bool:
    """Execute and commit; return whether it was no duplicate. Raises psycopg2's errors, and does not roll back then."""
    with connection.cursor() as cursor:
        if job.duplicates:
            cursor.execute(_SEEN, (id_,))
            if not cursor.rowcount:
                connection.rollback()
                return False
        for sql, parameters in statements:
            if job.pause_seconds:
                time.sleep(job.pause_seconds)
            cursor.execute(sql, parameters)
    connection.commit()
    return True
