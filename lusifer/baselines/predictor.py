"""What every predictor is: fit on training ratings, then predict numbers for (user, item) pairs."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress

Ids = NDArray[np.int32]
Scores = NDArray[np.float64]


class Predictor(Protocol):
    """A method that gives a number for any pair of ids, known or not.

    ``fit`` sees the training part alone, and calls ``on_progress`` between its rounds. ``predict`` takes two
    arrays of one length n and returns n finite numbers, not rounded, not necessarily inside the scale:
    the evaluation clips them. The same seed gives the same numbers, bit by bit.
    """

    name: str
    title: str

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self: ...

    def predict(self, users: Ids, items: Ids) -> Scores: ...
