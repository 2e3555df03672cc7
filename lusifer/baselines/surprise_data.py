"""Training ratings as scikit-surprise takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lusifer.baselines.libraries import Library
from lusifer.baselines.predictor import Ids, Scores
from lusifer.datasets import RatingScale, RatingTable

SURPRISE = Library(
    "surprise",
    "scikit-surprise",
    "Fits of SVD++",
    "It has no ready-made build for Macs with an Intel processor.",
)


class SurprisePredictor:
    """Predicts by a fitted model of the library, pair by pair: it takes no arrays."""

    _model: Any

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        pairs = zip(users.tolist(), items.tolist(), strict=True)
        return np.array([self._model.predict(u, i).est for u, i in pairs], dtype=float)


def trainset(train: RatingTable, scale: RatingScale, seed: int) -> Any:
    """A surprise ``Trainset``, in an order shuffled by the seed.

    In time order each user's pass would end on the newest items, which gradient descent then remembers
    best (SVD++ on u1: .932 instead of .926): a shuffle takes the order out.
    """
    surprise = SURPRISE.load()
    order = np.random.default_rng(seed).permutation(len(train))
    frame = train.frame()[["user_id", "item_id", "rating"]].iloc[order]
    reader = surprise.Reader(rating_scale=(scale.lowest, scale.highest))
    return surprise.Dataset.load_from_df(frame, reader).build_full_trainset()
