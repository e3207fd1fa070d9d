"""Replays and drops in threads of their own: which jobs are kept, and what requests see of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deadlines import patient
from writegate.contract.operations import OnKept, Selection
from writegate.errors import WritegateError
from writegate_console.web.state.jobs import MAX_JOBS, Job, JobTable, TooManyJobs
from writegate_devkit.stack.readiness import wait_until

PATIENCE_SECONDS = patient(60)


class SlowWriter:
    """Carries pages out once it is released; those whose reason is ``now`` at once."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.problem: Exception | None = None

    def __call__(self, operation: OnKept) -> dict[str, Any]:
        if operation.reason != "now":
            assert self.released.wait(PATIENCE_SECONDS)
        if self.problem is not None:
            raise self.problem
        return {"done": operation.limit, "last": operation.after + operation.limit, "skipped": {}}


@pytest.fixture
def writer() -> Iterator[SlowWriter]:
    made = SlowWriter()
    yield made
    made.released.set()


def start(jobs: JobTable, reason: str = "later", total: int = 10) -> Job:
    return jobs.start("parked", "replay", "olga", reason, Selection(), total, 10_000)


def wait_finished(jobs: JobTable, *ids: str) -> None:
    assert wait_until(lambda: all((job := jobs.find(id_)) and not job.running for id_ in ids), PATIENCE_SECONDS)


def test_a_job_counts_what_it_moved_and_ends(writer: SlowWriter) -> None:
    jobs = JobTable(writer)
    job = start(jobs, total=2500)
    assert (job.running, job.done) == (True, 0)
    writer.released.set()
    wait_finished(jobs, job.id)
    ended = jobs.find(job.id)
    assert ended
    assert (ended.done, ended.problem) == (2500, None)
    assert (job.running, job.done) == (True, 0), "a job that was returned does not change any more"


@pytest.mark.parametrize("problem", [WritegateError("no writer"), ZeroDivisionError("no writer")])
def test_a_job_that_fails_is_finished_and_says_why(writer: SlowWriter, problem: Exception) -> None:
    jobs, writer.problem = JobTable(writer), problem
    job = start(jobs, "now")
    wait_finished(jobs, job.id)
    ended = jobs.find(job.id)
    assert ended
    assert "no writer" in (ended.problem or "")


def test_finished_jobs_make_room_and_running_ones_never(writer: SlowWriter) -> None:
    jobs = JobTable(writer)
    running = start(jobs)
    finished = [start(jobs, "now") for _ in range(MAX_JOBS - 1)]
    wait_finished(jobs, *(job.id for job in finished))
    more = [start(jobs, "now") for _ in range(MAX_JOBS // 2)]
    wait_finished(jobs, *(job.id for job in more))
    assert jobs.find(running.id), "the oldest job is running: it is kept"
    kept = [job for job in (running, *finished, *more) if jobs.find(job.id)]
    assert kept == [running, *finished[len(more) :], *more], "the oldest finished jobs are removed first"
    writer.released.set()
    wait_finished(jobs, running.id)


def test_as_many_running_jobs_as_are_kept_is_the_limit(writer: SlowWriter) -> None:
    jobs = JobTable(writer)
    running = [start(jobs) for _ in range(MAX_JOBS)]
    with pytest.raises(TooManyJobs, match=f"{MAX_JOBS} actions are running"):
        start(jobs)
    assert all(jobs.find(job.id) for job in running)
    writer.released.set()
    wait_finished(jobs, *(job.id for job in running))
    assert start(jobs, "now")


def test_threads_that_start_jobs_at_once_keep_to_the_limit(writer: SlowWriter) -> None:
    jobs, started = JobTable(writer), list[Job]()

    def start_some() -> None:
        for _ in range(MAX_JOBS // 2):
            try:
                started.append(start(jobs))
            except TooManyJobs:
                return

    threads = [threading.Thread(target=start_some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert len(started) == MAX_JOBS
    assert all(jobs.find(job.id) for job in started)
