"""Item-based nearest neighbours (Koren 2010, "Factor in the neighbors", section 2.2), by scikit-surprise."""

from __future__ import annotations

from typing import Self

from lusifer.baselines.predictor import PredictorSpec
from lusifer.baselines.surprise_data import SURPRISE, SurprisePredictor, trainset
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress


class ItemKNN(SurprisePredictor):
    """The user's ratings of the items most correlated with the one asked for, around the biases.

    Shrunk Pearson correlation of what the biases leave. Settings found on u1's training part.
    """

    def __init__(self, neighbours: int = 40, shrinkage: int = 100) -> None:
        self.neighbours, self.shrinkage = neighbours, shrinkage

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        surprise = SURPRISE.load()
        on_progress(0, 1)
        options = {"name": "pearson_baseline", "user_based": False, "shrinkage": self.shrinkage}
        self._model = surprise.KNNBaseline(k=self.neighbours, sim_options=options, verbose=False).fit(
            trainset(train, scale, seed)
        )
        on_progress(1, 1)
        return self


SPECS = (
    PredictorSpec(
        "item-knn",
        "Item kNN",
        "scikit-surprise's `KNNBaseline`, 40 neighbors, shrunk Pearson around the biases",
        order=4,
        create=ItemKNN,
        slow=True,
        library=SURPRISE,
    ),
)
