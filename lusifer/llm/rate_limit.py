"""How much is asked at once: calls at a time, requests and tokens a minute, for each endpoint.

The state belongs to the endpoint and is shared by everybody in this process that asks it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Unpack

from lusifer.errors import CancelledError, ModelError
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.protocol import LLM, Completion, LLMWrapper, Message, Options
from lusifer.llm.turns import TURNS

log = logging.getLogger(__name__)
WINDOW_SECONDS = 60.0
POLL_SECONDS = 0.2
INITIAL_CONCURRENCY = 32
"""Calls at a time before anything is known of a server: it doubles with each round that goes well."""


class ConcurrencyLimiter:
    """Lets calls through.

    The number at a time starts small, grows while all goes well (by one a call until the first refusal, then by one a
    full round), and halves when the server says 429.
    """

    def __init__(self, max_concurrent: int, rpm: int | None = None, tpm: int | None = None) -> None:
        self.max_concurrent, self.rpm, self.tpm = max_concurrent, rpm, tpm
        self.limit = float(min(INITIAL_CONCURRENCY, max_concurrent))
        self._refused = False
        self._shrunk = 0.0
        self._inside = 0
        self._window: deque[tuple[float, int]] = deque()
        self._changed = threading.Condition()

    def enter(self, tokens: int, cancelled: Callable[[], bool]) -> None:
        """Wait until a call of about so many tokens may start.

        Raises:
            CancelledError: somebody cancelled before its turn came.
        """
        with self._changed:
            while True:
                if cancelled():
                    raise CancelledError("Stopped while waiting for its turn.", "Finished work is saved.")
                wait = self._wait(tokens)
                if wait <= 0:
                    break
                TURNS.give_back()
                self._changed.wait(min(wait, POLL_SECONDS))
            self._inside += 1
            if self.rpm or self.tpm:
                self._window.append((time.monotonic(), tokens))

    def _wait(self, tokens: int) -> float:
        """Seconds to wait at least; 0: go."""
        if self._inside >= max(int(self.limit), 1):
            return 1.0
        if not (self.rpm or self.tpm):
            return 0.0
        now = time.monotonic()
        while self._window and now - self._window[0][0] >= WINDOW_SECONDS:
            self._window.popleft()
        window_tokens = sum(t for _, t in self._window)
        full = (self.rpm and len(self._window) >= self.rpm) or (
            # One call larger than a minute's tokens must pass some time: alone.
            self.tpm and self._window and window_tokens + tokens > self.tpm
        )
        return WINDOW_SECONDS - (now - self._window[0][0]) if full else 0.0

    def leave(self) -> None:
        """A call is no longer at the server."""
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def learn(self, outcome: str) -> None:
        """How a call ended: ``ok``, ``refused`` (429) or ``other``."""
        with self._changed:
            if outcome == "ok":
                step = 1.0 / self.limit if self._refused else 1.0
                self.limit = min(self.limit + step, float(self.max_concurrent))
            elif outcome == "refused":
                self._refused = True
                # The answers of one burst come together and are one refusal, not many.
                if time.monotonic() - self._shrunk > 0.5:
                    self.limit = max(self.limit / 2, 1.0)
                    self._shrunk = time.monotonic()
                    log.info("The server limits the rate: at most %d calls at a time from here on.", self.limit)
            self._changed.notify_all()


_limiters: dict[tuple[str, str, int, int | None, int | None], ConcurrencyLimiter] = {}
_lock = threading.Lock()


def limiter_for(endpoint: Endpoint) -> ConcurrencyLimiter:
    """The gate that everybody in this process shares for an endpoint."""
    key = (endpoint.name, endpoint.url, endpoint.workers, endpoint.rpm, endpoint.tpm)
    with _lock:
        return _limiters.setdefault(key, ConcurrencyLimiter(endpoint.workers, endpoint.rpm, endpoint.tpm))


_local = threading.local()


def use_slots(slots: threading.Semaphore | None) -> None:
    """From now on each call of this thread holds one of these while it is at a server; ``None``: it needs none."""
    _local.slots = slots


def answered_calls() -> int:
    """How many calls of this thread a server has answered, be it with a refusal; what was stored is no call."""
    return getattr(_local, "answered", 0)


def end_call() -> None:
    """This thread's call, if it makes one, is no longer at the server: another one may be before its answer is read."""
    call = getattr(_local, "call", None)
    if call is not None:
        call.end()


class _CallUnderWay:
    """A call's place among those at the server, of its run and of its endpoint; taken when it is made."""

    def __init__(self, limiter: ConcurrencyLimiter, tokens: int, cancelled: Callable[[], bool]) -> None:
        self._limiter, self._slots = limiter, getattr(_local, "slots", None)
        while self._slots is not None and not self._slots.acquire(blocking=False):
            TURNS.give_back()
            if self._slots.acquire(timeout=POLL_SECONDS):
                break
            if cancelled():
                raise CancelledError("Stopped while waiting for its turn.", "Finished work is saved.")
        try:
            limiter.enter(tokens, cancelled)
        except BaseException:
            if self._slots is not None:
                self._slots.release()
            raise
        self._ended = False

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._limiter.leave()
            if self._slots is not None:
                self._slots.release()


class RateLimitedLLM(LLMWrapper):
    """Passes each call through a gate."""

    def __init__(
        self, inner: LLM, limiter: ConcurrencyLimiter, *, cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__(inner)
        self.limiter, self.cancelled = limiter, cancelled

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`.

        Raises:
            CancelledError: somebody cancelled.
        """
        tokens = sum(len(m.content) for m in messages) // 4 + (options.get("max_tokens") or 0) // 2
        call, outcome = _CallUnderWay(self.limiter, tokens, self.cancelled), "other"
        _local.call = call
        try:
            answer = self.inner.complete(messages, **options)
            outcome = "ok"
            _local.answered = answered_calls() + 1
            return answer
        except ModelError as error:
            outcome = "refused" if error.kind == "rate-limit" else "other"
            _local.answered = answered_calls() + (not error.is_transient)
            raise
        finally:
            _local.call = None
            call.end()
            self.limiter.learn(outcome)
