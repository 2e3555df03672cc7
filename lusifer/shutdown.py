"""The end of the whole process: asked for by a signal or by the app's server, looked at by all work. A leaf.

Work asks `is_requested` before each question and in each wait, beside its own ``cancelled``: so a process that is told
to stop begins nothing more, whoever started the work and wherever it waits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

SECOND_SIGNAL_SECONDS = 0.5
"""A terminal that closes, or a Ctrl-C pressed twice, sends several signals at once: these are one."""
_requested = threading.Event()


class ToldToStopError(KeyboardInterrupt):
    """A signal told this process to stop; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def is_requested() -> bool:
    """Whether the process is about to end."""
    return _requested.is_set()


def request() -> None:
    """From now on nothing is begun in this process."""
    _requested.set()


@contextlib.contextmanager
def requested() -> Iterator[None]:
    """All work of this process stops while this holds: for somebody who waits for its end and then goes on."""
    before = _requested.is_set()
    _requested.set()
    try:
        yield
    finally:
        if not before:
            _requested.clear()


@contextlib.contextmanager
def handled_signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise `ToldToStopError` in the main thread; the next one ends the process at once.

    A signal that is ignored stays ignored (``nohup``), and in another thread than the main one nothing is changed. The
    request is forgotten at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first: list[float] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if first and time.monotonic() - first[0] >= SECOND_SIGNAL_SECONDS:
            os._exit(128 + number)
        if first:
            return
        first.append(time.monotonic())
        request()
        raise ToldToStopError(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last two are POSIX's and Windows' own
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) not in {signal.SIG_IGN, None}}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _requested.clear()
