"""pgbench itself: its own client, its own transaction, its own clock."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.jobs import Job, Report, percentiles

_THREADS = 2
_PROCESSED = re.compile(r"number of transactions actually processed: (\d+)")
_RATE = re.compile(r"tps = ([\d.]+) \(without initial connection time\)")


def pgbench(program: str, url: str, schema: str, *options: str) -> str:
    """Run pgbench on the tables of a schema; return what it prints."""
    done = subprocess.run(
        [program, *options, url],
        env={"PGOPTIONS": f"-c search_path={schema}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"pgbench {' '.join(options)}: {done.stderr.strip()}")
    return done.stdout


class Pgbench:
    """So many clients, on the tables of one schema."""

    def __init__(self, program: str, url: str, schema: str, clients: int) -> None:
        self._program = program
        self._url = url
        self._schema = schema
        self._clients = clients

    def run(self, job: Job) -> Report:
        """Run it. At a rate, the times are from when a transaction was due until it was committed."""
        options = ["--no-vacuum", "--protocol=prepared", f"--client={self._clients}"]
        options += [
            f"--jobs={min(_THREADS, self._clients)}",
            f"--time={max(1, round(job.seconds))}",
            f"--random-seed={job.seed}",
        ]
        started = time.time()
        with tempfile.TemporaryDirectory() as logs:
            if job.rate is not None:
                options += [f"--rate={job.rate}", "--log", f"--log-prefix={logs}/log"]
            output = pgbench(self._program, self._url, self._schema, *options)
            times = list(_times_ms(Path(logs)))
        count, seconds = measured(output, job.seconds)
        return Report(started, count, count, seconds, call_ms=percentiles(times))

    def close(self) -> None:
        """Nothing is kept."""


def measured(output: str, seconds: float) -> tuple[int, float]:
    """Return how many transactions pgbench committed, and in how many seconds.

    pgbench prints no rate when it committed nothing, as many clients on a slow machine do in a short time. The result
    is then 0 in the ``seconds`` that it was given. Raises :class:`ValueError` for what is no report of pgbench's.
    """
    processed = _PROCESSED.search(output)
    if processed is None:
        raise ValueError(f"expected pgbench's report, found {output!r}")
    count = int(processed[1])
    rate = _RATE.search(output)
    return (count, count / float(rate[1])) if count and rate is not None and float(rate[1]) else (count, seconds)


def _times_ms(logs: Path) -> Iterator[float]:
    """Read all threads' logs. A line's third column: microseconds from due to committed."""
    for log in logs.iterdir():
        with log.open() as lines:
            yield from (int(line.split()[2]) / 1000 for line in lines)
