"""Long work in the background: progress with a rate and the time left, cancel that really stops."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from lusifer import shutdown
from lusifer.errors import CancelledError, LusiferError
from lusifer.store import Store

logger = logging.getLogger(__name__)
JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
MAX_ENDED_JOBS = 50


@dataclass
class Job:
    """One piece of work in a thread of its own. Read from anywhere; written by the work alone.

    ``run`` names the run whose calls it makes, so that their number and price can be shown meanwhile;
    ``text`` is what a model has said so far, where that is streamed; ``parts`` are results that are ready before the
    rest, by name.
    """

    id: str
    title: str
    state: JobState = "waiting"
    done: int = 0
    total: int = 0
    message: str = ""
    result: Any = None
    error: str = ""
    run: str = ""
    text: str = ""
    parts: dict[str, Mapping[str, float]] = field(default_factory=dict)
    reported: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _over: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {"waiting", "running"}

    @property
    def seconds(self) -> float:
        """Seconds since it began, up to its end."""
        return (self.ended or time.monotonic()) - self.began

    @property
    def share(self) -> float | None:
        """Share done, 0 to 1; ``None`` while the whole is unknown."""
        return min(self.done / self.total, 1.0) if self.total else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the rate so far, counted down; ``None`` once it has run out: then nobody knows."""
        elapsed = self.reported - self.began
        if not (self.done and self.total and elapsed > 0):
            return None
        left = (self.total - self.done) * elapsed / self.done - (time.monotonic() - self.reported)
        return left if left > 0 else None

    def report_progress(self, done: int, total: int, message: str = "") -> None:
        """Called by the work; stops it if a person asked for that.

        Raises:
            CancelledError: somebody pressed cancel.
        """
        if done != self.done:
            self.reported = time.monotonic()
        self.done, self.total, self.message = done, total, message
        if self.cancelled():
            raise CancelledError("Stopped.", "Finished work is saved.")

    def report_part(self, name: str, values: Mapping[str, float]) -> None:
        """Called by the work: a part of its result that can be shown already."""
        self.parts[name] = values

    def follow_run(self, run: str) -> None:
        """Show the calls of a run from now on."""
        self.run = run

    def cancelled(self) -> bool:
        """Whether somebody asked for its end, or for that of the whole process."""
        return self._stop.is_set() or shutdown.is_requested()

    def cancel(self) -> None:
        """Ask the work to stop: it begins no further call, and one that is under way ends within two seconds."""
        self._stop.set()

    def end(self, state: JobState) -> None:
        """Called when the work has ended: whoever waits goes on."""
        self.ended, self.state = time.monotonic(), state
        self._over.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end; whether it came."""
        return self._over.wait(seconds)


class Jobs:
    """A few workers and the jobs they were given; the newest `MAX_ENDED_JOBS` ended ones are remembered."""

    def __init__(self, workers: int = 2) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="lusifer-job")
        self._jobs: dict[tuple[str, str], Job] = {}
        self._lock = threading.Lock()
        self._owner = ""

    def of(self, owner: str) -> Jobs:
        """The same workers with the jobs of one owner: nobody else finds, follows, cancels or discards them."""
        view = copy.copy(self)
        view._owner = owner  # noqa: SLF001 - its own
        return view

    def start(self, key: str, title: str, work: Callable[[Job], Any], *, store: Store | None = None) -> Job:
        """Start work under a key, or return the job that is at it already.

        Args:
            key: what finds it again; one job at a time runs under it.
            title: what it is called where its progress is shown.
            work: called with the job in a worker thread; its return value is the job's result.
            store: its connection in that thread is closed when the work ends.
        """
        with self._lock:
            current = self._jobs.get((self._owner, key))
            if current is not None and current.active:
                return current
            job = Job(key, title)
            self._jobs.pop((self._owner, key), None)
            self._jobs[self._owner, key] = job
            for old in [k for k, j in self._jobs.items() if not j.active][:-MAX_ENDED_JOBS]:
                del self._jobs[old]
        self._pool.submit(self._run, job, work, store)
        return job

    def get(self, key: str) -> Job | None:
        """The newest job under a key."""
        return self._jobs.get((self._owner, key))

    def list_jobs(self) -> list[tuple[str, Job]]:
        """Every job that is remembered, by key; those of one owner where these are theirs."""
        with self._lock:
            return [(key, job) for (owner, key), job in self._jobs.items() if owner == self._owner or not self._owner]

    def active_runs(self) -> set[str]:
        """The runs whose jobs are under way, whoever started them."""
        with self._lock:
            return {job.run for job in self._jobs.values() if job.active and job.run}

    def cancel_all(self) -> None:
        """Cancel every job, those that wait for a worker too, whoever started them."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            if job.active:
                job.cancel()

    def discard(self, key: str) -> None:
        """Drop an ended job, so that its outcome is not shown again."""
        with self._lock:
            job = self._jobs.get((self._owner, key))
            if job is not None and not job.active:
                del self._jobs[self._owner, key]

    @staticmethod
    def _run(job: Job, work: Callable[[Job], Any], store: Store | None) -> None:
        job.state, job.began = "running", time.monotonic()
        state: JobState = "failed"
        try:
            job.report_progress(0, 0)
            job.result = work(job)
            state = "done"
        except CancelledError as error:
            job.error, state = str(error), "cancelled"
        except LusiferError as error:
            job.error = str(error)
        except Exception as error:  # a bug of ours: said in full to the log, in short to the page
            logger.exception("The job %s failed", job.title)
            job.error = f"{type(error).__name__} in {job.title}; see the log for details."
        finally:
            if store is not None:
                store.close()
            job.end(state)
            logger.info("The job %s is %s after %.1f s", job.title, state, job.seconds)
