"""``python -m tests.sqlstates``: any SQLSTATE, for one command among 499 and for all of a type, on a live gate.

Prints a table. Exit code 1 when what was not refused had to wait for more than ten seconds, when something was parked
that is not to blame, when a fault of the database parked anything, or when `writegate status` does not name the cause,
a command and what to do for what waits.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tests.integration.gate import Gate
from tests.servers import servers_running
from tests.sqlstates.cases import CASES
from tests.sqlstates.database_faults import FAULTS
from tests.sqlstates.run import Tried, all_of_a_type, nothing_parked_for, one_among_many, parked_alone, refusing_gate


def main() -> int:
    """Try them; return 0 when all held."""
    parser = argparse.ArgumentParser(prog="python -m tests.sqlstates", description=__doc__)
    parser.add_argument("--only", default="", help="those whose SQLSTATE begins with this")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with servers_running() as servers, refusing_gate(servers) as gate:
        tried = list(try_all(gate, given.only))
    table = Table("case", "seconds", "what came of it")
    for case in tried:
        table.add_row(case.name, f"{case.seconds:.1f}" if case.seconds else "", case.missed or "as it must be")
    missed = [case for case in tried if case.missed]
    Console().print(table)
    sys.stdout.write(f"{len(tried)} cases, {len(missed)} missed\n")
    return 1 if missed else 0


def try_all(gate: Gate, only: str) -> Iterator[Tried]:
    """Try every case."""
    cases = [case for case in CASES if case.sqlstate.startswith(only)]
    refused = []
    for case in cases:
        tried, command = one_among_many(gate, case)
        refused.append((case, command))
        yield tried
    yield from parked_alone(gate, refused)
    for case in cases:
        if case.sqlstate[:2] not in {"22", "23"}:  # of those fifty in a row are parked before the type is held
            yield all_of_a_type(gate, case)
            yield all_of_a_type(gate, case, commands=1)
    for name, fault in FAULTS.items():
        yield nothing_parked_for(gate, name, fault)


if __name__ == "__main__":
    sys.exit(main())
