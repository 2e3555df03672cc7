"""The end of the app's server: background jobs are cancelled as soon as it stops, so that nothing is asked after it."""

from __future__ import annotations

import os
import signal
import threading
import time

from streamlit.runtime import Runtime, RuntimeState

from lusifer import shutdown
from lusifer.jobs import Jobs
from lusifer.ui.launcher import LAUNCHER_VARIABLE

POLL_SECONDS = 0.2


def cancel_jobs_at_end(jobs: Jobs) -> None:
    """Watch the server from a thread: once it stops, all jobs are cancelled. Without a server there is none.

    Python ends a process only after its worker threads have done all that waits for them, which a job's thread pool
    fills; no hook of the interpreter comes before that.
    """
    if Runtime.exists():
        threading.Thread(target=_watch, args=(Runtime.instance(), jobs), name="lusifer-end", daemon=True).start()


def _watch(runtime: Runtime, jobs: Jobs) -> None:
    while runtime.state not in {RuntimeState.STOPPING, RuntimeState.STOPPED}:
        if launcher_is_gone():
            os.kill(os.getpid(), signal.SIGTERM)  # as the launcher would have done
            break
        time.sleep(POLL_SECONDS)
    shutdown.request()
    jobs.cancel_all()


def launcher_is_gone() -> bool:
    """Whether a launcher started this server and was killed (POSIX: an orphan has another parent)."""
    launcher = os.environ.get(LAUNCHER_VARIABLE, "")
    return os.name == "posix" and launcher.isdigit() and os.getppid() != int(launcher)
