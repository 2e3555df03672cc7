"""Work in a child process: results, errors, progress, and an end that is one."""

from __future__ import annotations

import os
import time
from functools import partial

import pytest

from lusifer import subprocess_runner
from lusifer.errors import CancelledError, InvalidInputError


def add(a, b, *, on_progress):
    print("a library may print")
    on_progress(1, 2)
    on_progress(2, 2)
    return a + b, os.getpid()


def refuse(*, on_progress):
    raise InvalidInputError("Not like this.", "Do it otherwise.")


def break_down(*, on_progress):
    raise ZeroDivisionError("a bug of ours")


def end(*, on_progress):
    os._exit(3)


def forever(path, *, on_progress):
    from pathlib import Path

    while True:
        Path(path).write_text(str(time.time()))
        on_progress(0, 1)
        time.sleep(0.05)


def test_the_result_comes_back_and_progress_on_the_way() -> None:
    reports = []
    total, pid = subprocess_runner.run(add, 2, 3, on_progress=lambda *given: reports.append(given))
    assert total == 5 and pid != os.getpid() and reports[-1] == (2, 2, "")


def test_errors_come_back_as_what_they_are() -> None:
    with pytest.raises(InvalidInputError, match="Not like this") as failed:
        subprocess_runner.run(refuse)
    assert failed.value.fix == "Do it otherwise."
    with pytest.raises(RuntimeError, match="a bug of ours"):
        subprocess_runner.run(break_down)
    with pytest.raises(RuntimeError, match="without a result"):
        subprocess_runner.run(end)


def test_cancel_ends_the_child(tmp_path) -> None:
    beat = tmp_path / "beat"
    with pytest.raises(CancelledError):
        subprocess_runner.run(forever, str(beat), cancelled=beat.exists)
    last = beat.read_text()
    time.sleep(0.3)
    assert beat.read_text() == last, "it still runs"


def test_a_callback_that_raises_ends_the_child(tmp_path) -> None:
    def stop(done: int, total: int, message: str = "") -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        subprocess_runner.run(forever, str(tmp_path / "beat"), on_progress=stop)


def test_several_at_a_time_come_back_in_order_and_stop_together(tmp_path, monkeypatch) -> None:
    def job(a: int, on_progress, cancelled):
        return subprocess_runner.run(add, a, 1, on_progress=on_progress, cancelled=cancelled)[0]

    reports: list[tuple] = []
    jobs = [partial(job, n) for n in range(3)]
    assert subprocess_runner.run_together(jobs, on_progress=lambda *given: reports.append(given)) == [1, 2, 3]
    assert all(done <= total == 300 for done, total in reports) and reports == sorted(reports)
    assert subprocess_runner.run_together([]) == []

    def endless(on_progress, cancelled):
        return subprocess_runner.run(forever, str(tmp_path / "beat"), on_progress=on_progress, cancelled=cancelled)

    def fail(on_progress, cancelled):
        while not (tmp_path / "beat").exists():
            time.sleep(0.01)
        return subprocess_runner.run(refuse)

    monkeypatch.setattr(subprocess_runner.os, "cpu_count", lambda: 2)
    with pytest.raises(InvalidInputError, match="Not like this"):
        subprocess_runner.run_together([endless, fail])
    last = (tmp_path / "beat").read_text()
    time.sleep(0.2)
    assert (tmp_path / "beat").read_text() == last, "the other one was ended"
    with pytest.raises(CancelledError):
        subprocess_runner.run_together([endless], cancelled=lambda: True)
