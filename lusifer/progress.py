"""How long work reports how far it is. A leaf: everybody may import it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """A callback that is called with units done, units in all (0: unknown), and what is being done.

    It may raise `lusifer.errors.CancelledError` to stop the work.
    """

    def __call__(self, done: int, total: int, message: str = "", /) -> None:
        """Take note of how far the work is."""


def ignore_progress(done: int, total: int, message: str = "", /) -> None:
    """A `Progress` that does nothing."""


def never_cancelled() -> bool:
    """For work that nobody can stop."""
    return False


def ignore_result(name: str, values: Mapping[str, float]) -> None:
    """For who waits for the whole."""
