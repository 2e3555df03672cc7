"""Background work: progress, cancel, failure, no second start."""

from __future__ import annotations

import threading
import time

import pytest

from lusifer.errors import InvalidInputError
from lusifer.jobs import MAX_ENDED_JOBS, Job, Jobs
from tests.conftest import PATIENCE


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


def test_progress_rate_and_result(jobs: Jobs) -> None:
    go, shown = threading.Event(), threading.Event()

    def work(job: Job) -> str:
        time.sleep(0.05)
        job.report_progress(5, 20, "five")
        shown.set()
        go.wait(PATIENCE)
        return "result"

    job = jobs.start("k", "Title", work)
    assert shown.wait(PATIENCE)
    assert job.active and job.share == 0.25 and job.message == "five"
    assert job.seconds_left == pytest.approx(15 / 5 * job.seconds, rel=0.5)
    assert jobs.start("k", "Again", work) is job, "the same work is not started twice"
    go.set()
    assert job.wait(PATIENCE) and job.state == "done" and job.result == "result"
    took = job.seconds
    time.sleep(0.02)
    assert job.seconds == took


def test_cancel_really_stops(jobs: Jobs) -> None:
    counted = []

    def work(job: Job) -> None:
        for n in range(10_000):
            job.report_progress(n, 10_000)
            counted.append(n)
            time.sleep(0.005)

    job = jobs.start("k", "Long", work)
    while not counted:
        time.sleep(0.005)
    job.cancel()
    assert job.wait(PATIENCE) and job.state == "cancelled" and "saved" in job.error
    at = len(counted)
    time.sleep(0.05)
    assert len(counted) == at < 10_000


def test_failures_are_told_apart(jobs: Jobs) -> None:
    def expected(job: Job) -> None:
        raise InvalidInputError("Wrong.", "Do this.")

    def bug(job: Job) -> None:
        raise ZeroDivisionError("secret detail")

    first, second = jobs.start("a", "A", expected), jobs.start("b", "B", bug)
    assert first.wait(PATIENCE) and second.wait(PATIENCE)
    assert first.state == second.state == "failed" and first.error == "Wrong. Do this."
    assert "ZeroDivisionError in B" in second.error and "secret" not in second.error


def test_forget_and_the_newest_are_kept(jobs: Jobs) -> None:
    for n in range(MAX_ENDED_JOBS + 10):
        jobs.start(str(n), "T", lambda job: None).wait(PATIENCE)
    assert jobs.get("0") is None and jobs.get(str(MAX_ENDED_JOBS + 9)) is not None
    jobs.discard(str(MAX_ENDED_JOBS + 9))
    assert jobs.get(str(MAX_ENDED_JOBS + 9)) is None


def test_each_worker_closes_its_connection(jobs: Jobs, store) -> None:
    def work(job: Job) -> None:
        store.save_call({"status": "ok"})
        assert store.is_open

    job = jobs.start("k", "T", work, store=store)
    assert job.wait(PATIENCE) and job.state == "done"
    again = jobs.start("k2", "T", lambda j: store.is_open, store=store)
    assert again.wait(PATIENCE) and again.result is False


def test_a_job_belongs_to_its_owner(jobs: Jobs) -> None:
    """Under the same key: nobody else finds it, gets its result, cancels or discards it."""
    began, go_on = threading.Event(), threading.Event()

    def work(job: Job) -> str:
        job.follow_run("run-of-a")
        began.set()
        assert go_on.wait(PATIENCE)
        job.report_progress(1, 1, "secret")
        return "of a"

    mine, other = jobs.of("a"), jobs.of("b")
    job = mine.start("compare", "Compare", work)
    assert job.id == "compare" and began.wait(PATIENCE)
    assert other.get("compare") is None and other.list_jobs() == [] and jobs.get("compare") is None
    other.discard("compare")
    theirs = other.start("compare", "Compare", lambda job: "of b")
    assert theirs is not job and theirs.wait(PATIENCE) and theirs.result == "of b"
    assert mine.get("compare") is job and job.active and other.active_runs() == {"run-of-a"}
    go_on.set()
    assert job.wait(PATIENCE) and job.result == "of a"
    assert [j for _, j in mine.list_jobs()] == [job] and len(jobs.list_jobs()) == 2
    mine.discard("compare")
    assert mine.get("compare") is None and other.get("compare") is theirs
    waiting = threading.Event()
    started = other.start(
        "long", "Long", lambda job: waiting.set() or [time.sleep(0.01) for _ in iter(job.cancelled, True)]
    )
    assert waiting.wait(PATIENCE)
    mine.cancel_all()  # the end of the whole server
    assert started.wait(PATIENCE)
