"""The trivial predictors: one number for all, for a user, for an item."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.baselines.predictor import Ids, PredictorSpec, Scores
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress


def find_rows(ids: NDArray[Any], requested: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of requested ids among ascending unique ones; −1 for an id that is not there."""
    return pd.Index(ids).get_indexer(pd.Index(requested))


class Lookup:
    """Values by id with one value for ids never seen."""

    def __init__(self, ids: Ids, values: Scores, default: float) -> None:
        self._ids, self._values, self._default = ids, values, default

    def __getitem__(self, requested: Ids) -> Scores:
        rows = find_rows(self._ids, requested)
        return np.where(rows < 0, self._default, np.append(self._values, self._default)[rows])


def group_mean(ids: Ids, values: Scores, damping: float = 0.0) -> tuple[Ids, Scores]:
    """Ascending unique ids and the (damped towards 0) mean of their values."""
    unique, inverse, count = np.unique(ids, return_inverse=True, return_counts=True)
    return unique, np.bincount(inverse, values) / (count + damping)


class Constant:
    """The mean rating of the training part, for everybody and everything."""

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        self._mean = train.mean
        return self

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        return np.full(len(users), self._mean)


class UserMean:
    """The mean of the user's training ratings; the overall mean for a user without any."""

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        self._of = Lookup(*group_mean(train.user, train.rating.astype(float)), train.mean)
        return self

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        return self._of[users]


class ItemMean:
    """The mean of the item's training ratings; the overall mean for an item without any."""

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        self._of = Lookup(*group_mean(train.item, train.rating.astype(float)), train.mean)
        return self

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        return self._of[items]


SPECS = (
    PredictorSpec(
        "constant", "Constant", "the mean of the training set", order=0, create=Constant, group="Naive baselines"
    ),
    PredictorSpec(
        "user-mean",
        "User mean",
        "the user's mean training rating",
        order=1,
        create=UserMean,
        group="Naive baselines",
    ),
    PredictorSpec(
        "item-mean",
        "Item mean",
        "the item's mean training rating",
        order=2,
        create=ItemMean,
        group="Naive baselines",
        is_agent=True,
    ),
)
