"""How long work reports how far it is. Everybody may import it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lusifer import shutdown


class Progress(Protocol):
    """A callback that is called with units done, units in all (0: unknown), and what is being done.

    It may raise `lusifer.errors.CancelledError` to stop the work.
    """

    def __call__(self, done: int, total: int, message: str = "", /) -> None:
        """Take note of how far the work is."""


def ignore_progress(done: int, total: int, message: str = "", /) -> None:
    """A `Progress` that does nothing."""


def never_cancelled() -> bool:
    """For work that nobody can stop but by ending the process."""
    return shutdown.is_requested()


def ignore_result(name: str, values: Mapping[str, float]) -> None:
    """For who waits for the whole."""
