"""Heavy computations in a child process: they leave this one's pages responsive and stop when told.

Library code that holds Python's lock for a tenth of a second at a time makes every page wait, and can't
be stopped from a thread. ``multiprocessing`` would import the program's main module again, which under
Streamlit is the page itself; so the child is started as a module, and speaks pickle over pipes with its
parent alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, BinaryIO

from lusifer import settings
from lusifer.errors import CancelledError, LusiferError
from lusifer.progress import Progress, ignore_progress

POLL_SECONDS = 0.1
MOST = 4
"""Children at a time, whatever the machine: each holds a few hundred megabytes."""
Job = Callable[[Progress, Callable[[], bool]], Any]


def run(
    work: Callable[..., Any],
    *args: Any,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Any:
    """Call a module-level function in a child process and return what it returns.

    ``work`` is called with ``args`` and a keyword ``on_progress(done, total, message)``, whose calls arrive here as
    calls of ``on_progress``. All arguments and the result must pickle.

    Raises:
        CancelledError: ``cancelled`` said so, or ``on_progress`` raised it; the child is killed.
        LusiferError: the work raised it.
        RuntimeError: the child failed in any other way; its last words are in the text.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "lusifer.subprocess_runner"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=settings.child_environment(),
    )
    assert child.stdin and child.stdout and child.stderr
    messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    errors: list[bytes] = []
    readers = [
        threading.Thread(target=_read, args=(child.stdout, messages), daemon=True),
        threading.Thread(target=lambda e: errors.append(e.read()), args=(child.stderr,), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        with contextlib.suppress(BrokenPipeError):  # the child ended early: what it said tells why
            pickle.dump((work.__module__, work.__qualname__, args), child.stdin)
            child.stdin.close()
        kind: str = ""
        value: Any = None
        while kind != "end":
            try:
                kind, value = messages.get(timeout=POLL_SECONDS)
            except queue.Empty:
                kind = ""
            if kind == "progress":
                on_progress(*value)
            elif kind == "result":
                return value
            elif kind == "error":
                raise value
            if cancelled():
                raise CancelledError("Stopped.", "Finished work is saved.")
    finally:
        child.kill()
        child.wait()
        for reader in readers:
            reader.join(5)
    last = b"".join(errors).decode(errors="replace").strip().splitlines()[-1:]
    raise RuntimeError(f"A computation ended without a result: {' '.join(last) or 'killed'}")


def run_together(
    jobs: Sequence[Job], *, on_progress: Progress = ignore_progress, cancelled: Callable[[], bool] = lambda: False
) -> list[Any]:
    """Do jobs at a time that each leave their work to a child process, as many as there are cores, at most `MOST`.

    Args:
        jobs: each is given a progress and a ``cancelled`` of its own, for `run`.
        on_progress: told from this thread alone how far all of them are, in hundredths of one.
        cancelled: asked whether to stop.

    Returns:
        What each job returned, in their order.

    Raises:
        CancelledError: ``cancelled`` said so, or ``on_progress`` raised it.
        Exception: what the first job that failed raised; the others are stopped.
    """
    shares, stop = [0.0] * len(jobs), threading.Event()

    def is_stopped() -> bool:
        return stop.is_set() or cancelled()

    def do(number: int) -> Any:
        def report(done: int, total: int, message: str = "") -> None:
            shares[number] = done / max(total, 1)

        try:
            if is_stopped():
                raise CancelledError("Stopped.", "Finished work is saved.")
            return jobs[number](report, is_stopped)
        except BaseException:
            stop.set()  # the others need not go on
            raise

    with ThreadPoolExecutor(max(min(os.cpu_count() or 1, MOST), 1), thread_name_prefix="lusifer-child") as pool:
        futures = [pool.submit(do, number) for number in range(len(jobs))]
        try:
            while wait(futures, timeout=POLL_SECONDS).not_done:
                on_progress(round(100 * sum(shares)), 100 * len(jobs))
        except BaseException:
            stop.set()
            raise
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda e: isinstance(e, CancelledError)):
        raise error
    return [future.result() for future in futures]


def _read(pipe: BinaryIO, messages: queue.SimpleQueue[tuple[str, Any]]) -> None:
    try:
        with contextlib.suppress(EOFError, pickle.UnpicklingError, OSError):
            while True:
                messages.put(pickle.load(pipe))  # noqa: S301 - our own child's words
    finally:
        messages.put(("end", None))


def main() -> None:
    """The child's side: read what to call, call it, tell how it went."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the words of ours

    def send(kind: str, value: Any) -> None:
        pickle.dump((kind, value), out)
        out.flush()

    module, name, args = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent's words
    work = getattr(importlib.import_module(module), name)
    last_sent = [0.0]

    def on_progress(done: int, total: int, message: str = "") -> None:
        if done >= total or time.monotonic() - last_sent[0] >= POLL_SECONDS:
            last_sent[0] = time.monotonic()
            send("progress", (done, total, message))

    try:
        send("result", work(*args, on_progress=on_progress))
    except LusiferError as error:
        send("error", error)


if __name__ == "__main__":
    main()
