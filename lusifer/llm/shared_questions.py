"""Questions that several processes ask at a time: each is asked in one batch, and the others wait for its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from lusifer.errors import CancelledError
from lusifer.progress import Progress
from lusifer.store import Store

LOOK_SECONDS = 5.0
"""The longest between two looks at what others ask; a batch takes minutes to hours."""


@contextmanager
def claiming(store: Store, keys: Sequence[str]) -> Iterator[list[str]]:
    """Those of some answers that nobody else asks for, which nobody else asks for meanwhile."""
    claimed = store.claim_answers(keys)
    try:
        yield claimed
    finally:
        store.release_answers(claimed)


def ask_unclaimed(
    store: Store,
    keys: Sequence[str],
    ask: Callable[[list[str]], int],
    *,
    poll_interval: float,
    on_progress: Progress,
    cancelled: Callable[[], bool],
) -> int:
    """Have answers asked for that are not stored and that nobody else asks for; wait for those that somebody does.

    What another process gave up, or was not answered, is asked for then. Nothing is waited for while something is
    claimed, so two that ask in different orders don't wait for each other.

    Args:
        store: where answers and claims are.
        keys: names of answers, see `lusifer.llm.cached.answer_key`.
        ask: has some asked for, and returns how many answers came; each key is given to it once.
        poll_interval: seconds between two looks at what others ask for.
        on_progress: told how much is waited for.
        cancelled: asked in every wait.

    Returns:
        How many answers ``ask`` brought.

    Raises:
        CancelledError: ``cancelled`` said so while it waited.
    """
    answered, asked = 0, set[str]()
    while missing := _missing(store, [key for key in keys if key not in asked]):
        with claiming(store, missing) as claimed:
            mine = _missing(store, claimed)  # an answer may have come between the look and the claim
            if mine:
                answered += ask(mine)
            asked.update(mine)
        if not claimed:
            on_progress(0, len(missing), "Waiting for answers that another batch asks for")
            _pause(min(poll_interval, LOOK_SECONDS), cancelled)
    return answered


def _missing(store: Store, keys: list[str]) -> list[str]:
    stored = store.has_answers(keys)
    return [key for key in keys if key not in stored]


def _pause(seconds: float, cancelled: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not cancelled():
        if (remaining := until - time.monotonic()) <= 0:
            return
        time.sleep(min(0.5, remaining))
    raise CancelledError("Stopped while another batch asked the same.", "Resume the run: nothing is asked twice.")
