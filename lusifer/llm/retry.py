"""Asking again: what passes by itself is waited for, and giving up says how long it was tried."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Unpack

from lusifer.errors import CancelledError, ModelError
from lusifer.llm.protocol import LLM, Completion, LLMWrapper, Message, Options

log = logging.getLogger(__name__)


class RetryingLLM(LLMWrapper):
    """Repeats a call that met a rate limit, a server error, a reset or a timeout.

    The wait doubles from ``first`` seconds with full jitter (so that many workers do not come back at
    once) and is never shorter than what the server asked for in ``Retry-After``.

    Args:
        attempts: requests in all.
        patience: seconds after which no further request is begun; a server that asks for more
            patience than is left is given up at once.
        cancelled: asked before each request and while waiting: after a person's cancel nothing is asked.
    """

    def __init__(
        self,
        inner: LLM,
        *,
        attempts: int = 6,
        first: float = 0.5,
        patience: float = 120.0,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(inner)
        self.attempts, self.first, self.patience, self.cancelled = attempts, first, patience, cancelled

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`.

        Raises:
            CancelledError: somebody cancelled.
        """
        began = time.monotonic()
        for attempt in range(1, self.attempts + 1):
            if self.cancelled():
                raise CancelledError("Stopped before the server was asked.", "Finished work is saved.")
            try:
                answer = self.inner.complete(messages, **options)
                return replace(answer, attempts=attempt)
            except ModelError as error:
                error.attempts = attempt
                if not error.is_transient:
                    raise
                wait = random.uniform(0, self.first * 2 ** (attempt - 1))  # noqa: S311
                wait = max(wait, (error.retry_after or 0) * random.uniform(1, 1.1))  # noqa: S311
                spent = time.monotonic() - began
                if attempt == self.attempts or spent + wait > self.patience:
                    raise self._given_up(error, attempt, spent) from None
                log.info(
                    "%s Asked again in %.1f s (request %d of %d).", error.message, wait, attempt + 1, self.attempts
                )
                self._sleep(wait)
        raise AssertionError("unreachable")

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0:
            if self.cancelled():
                raise CancelledError("Stopped while waiting for the server.", "Finished work is saved.")
            time.sleep(min(remaining, 0.2))

    @staticmethod
    def _given_up(error: ModelError, attempts: int, seconds: float) -> ModelError:
        tried = f"Tried {attempts} times in {seconds:.0f} seconds."
        if error.retry_after:
            tried += f" The server requests a wait of {error.retry_after:.0f} seconds."
        final = ModelError(f"{error.message} {tried}", error.fix, kind=error.kind, retry_after=error.retry_after)
        final.attempts = attempts
        return final
