"""Seconds that a thread has computed for itself: Python's search for garbage happens in whatever thread is running."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

_local = threading.local()


def own_seconds() -> float:
    """Processor time of this thread so far, in seconds, without searches for garbage in it.

    A search of everything goes through all that the process holds: with large data that takes longer than a rendering.
    """
    return time.thread_time() - getattr(_local, "searched", 0.0)


def _count_search(phase: str, info: dict[str, Any]) -> None:
    if not info["generation"]:  # the youngest objects alone: hundreds of times a second, and never long
        return
    if phase == "start":
        _local.began = time.thread_time()
    else:
        now = time.thread_time()
        _local.searched = getattr(_local, "searched", 0.0) + now - getattr(_local, "began", now)


gc.callbacks.append(_count_search)
