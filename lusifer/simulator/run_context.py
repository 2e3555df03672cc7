"""What every computation over users is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import CancelledError
from lusifer.progress import Progress, ignore_progress, ignore_result, never_cancelled
from lusifer.store import Store


@dataclass(frozen=True, eq=False)
class RunContext:
    """What every computation over users is given: the data, where results are cached, how to report and to stop.

    Attributes:
        store: where a language model's answers and evolutions are; ``None`` where nothing is stored. cache_dir: where
        predictions of heavy baselines and the built-in's forecasts are cached; ``None`` caches nothing. workers: users
        at a time, where a language model is asked. cancelled: asked between two users whether to stop. on_result: told
        each part of a result that is ready before the rest, by name.
    """

    dataset: Dataset
    split: Split
    store: Store | None = None
    cache_dir: Path | None = None
    seed: int = 0
    workers: int = 1
    on_progress: Progress = ignore_progress
    cancelled: Callable[[], bool] = never_cancelled
    on_result: Callable[[str, Mapping[str, float]], None] = ignore_result

    def raise_if_cancelled(self) -> None:
        """Stop here if somebody asked for it.

        Raises:
            CancelledError: somebody did.
        """
        if self.cancelled():
            raise CancelledError("The computation was stopped.", "Answers so far are saved: run it again to continue.")

    def with_progress(self, on_progress: Progress) -> RunContext:
        """The same, reporting elsewhere."""
        return replace(self, on_progress=on_progress)
