"""Threads whose answers have come compute one after the other, in the order in which they came.

Python runs one thread at a time and changes between those that could run. Many threads that are answered at about the
same time therefore end their work at about the same time: all of them late, and then all of them wait for the server
together. In turn, the first asks its next question while the others still read. With 32 threads and answers that take
200 ms that made 2 to 4 % more calls a second (``benchmarks/throughput.py``, in alternation on two cores).

A turn is advice, not a lock: who keeps one for longer than `PATIENCE_SECONDS` loses it to the first who waits, so a
thread that ends, or waits for something else, holds up nobody for long.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
PATIENCE_SECONDS = 0.05
"""Ten times what lies between an answer and the next question."""


class Turns:
    """Whose turn it is, and who waits for theirs."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nobody's turn."""
        self._changing = threading.Lock()
        self._holder, self._since = 0, 0.0
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    def take(self) -> None:
        """Wait for this thread's turn, which lasts until it gives it back."""
        me = threading.get_ident()
        with self._changing:
            if self._holder in {0, me} or (self._is_left() and not self._waiting):
                self._holder, self._since = me, time.monotonic()
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append((me, gate))
        try:
            while not gate.acquire(timeout=max(self._since + PATIENCE_SECONDS - time.monotonic(), 0.001)):
                with self._changing:  # who came first takes a turn that nobody gives back; the others wait for its end
                    if self._is_left() and self._waiting and self._waiting[0][1] is gate:
                        self._waiting.popleft()
                        self._holder, self._since = me, time.monotonic()
                        return
        except BaseException:  # Ctrl-C: nobody waits behind one who has left
            with self._changing:
                if (me, gate) in self._waiting:
                    self._waiting.remove((me, gate))
            self.give_back()
            raise

    def _is_left(self) -> bool:
        """Whether the turn's holder seems to ask no more."""
        return time.monotonic() - self._since > PATIENCE_SECONDS

    def give_back(self) -> None:
        """It is the next thread's turn, if it was this one's."""
        with self._changing:
            if self._holder != threading.get_ident():
                return
            self._holder = 0
            if self._waiting:
                self._since = time.monotonic()
                self._holder, gate = self._waiting.popleft()
                gate.release()


TURNS = Turns()


def in_turn(work: Callable[P, R]) -> Callable[P, R]:
    """The work in this thread's turn, which is given back while it waits for a server, and at its end."""

    @wraps(work)
    def take_turn(*args: P.args, **kwargs: P.kwargs) -> R:
        TURNS.take()
        try:
            return work(*args, **kwargs)
        finally:
            TURNS.give_back()

    return take_turn


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TURNS.reset)  # a child has none of its parent's threads
