"""SVD++ (Koren 2008, "Factorization meets the neighborhood"), by scikit-surprise."""

from __future__ import annotations

from typing import Self

from lusifer.baselines.predictor import PredictorSpec
from lusifer.baselines.surprise_data import SURPRISE, SurprisePredictor, trainset
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress


class SVDpp(SurprisePredictor):
    """Matrix factorisation with implicit feedback: which items a user rated counts, beside how.

    Settings found on u1's training part; about 7 s of one core for 80,000 ratings.
    """

    def __init__(self, factors: int = 10, epochs: int = 25, rate: float = 0.015, regularisation: float = 0.1) -> None:
        self.factors, self.epochs = factors, epochs
        self.rate, self.regularisation = rate, regularisation

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        surprise = SURPRISE.load()
        self._model = surprise.SVDpp(
            n_factors=self.factors,
            n_epochs=self.epochs,
            lr_all=self.rate,
            reg_all=self.regularisation,
            random_state=seed,
            cache_ratings=True,
            verbose=_EveryEpoch(on_progress, self.epochs),
        ).fit(trainset(train, scale, seed))
        on_progress(self.epochs, self.epochs)
        return self


class _EveryEpoch:
    """The library asks at each epoch whether it should say so: that is where it can be watched."""

    def __init__(self, on_progress: Progress, epochs: int) -> None:
        self.on_progress, self.epochs, self.asked = on_progress, epochs, 0

    def __bool__(self) -> bool:
        self.on_progress(min(self.asked, self.epochs), self.epochs)
        self.asked += 1
        return False


SPECS = (
    PredictorSpec("svdpp", "SVD++", "scikit-surprise's SVD++", order=8, create=SVDpp, slow=True, library=SURPRISE),
)
