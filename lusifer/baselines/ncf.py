"""Neural collaborative filtering (He et al. 2017): its MLP tower, by scikit-learn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from lusifer.baselines.bias import Bias
from lusifer.baselines.means import find_rows
from lusifer.baselines.predictor import Ids, PredictorSpec, Scores
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress


class NCF:
    """NeuMF's MLP tower: one-hot user and item into a hidden layer, fitted to what the biases leave.

    One hidden layer on one-hot input is an embedding layer. NeuMF's second tower (GMF) is not here: on
    100,000 ratings it adds nothing that ALS does not have. Settings found on u1's training part.
    """

    def __init__(
        self,
        hidden: int = 64,
        alpha: float = 0.07,
        batch: int = 256,
        rate: float = 1e-3,
        epochs: int = 10,
    ) -> None:
        self.hidden, self.alpha, self.batch = hidden, alpha, batch
        self.rate, self.epochs = rate, epochs

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        from sklearn.neural_network import MLPRegressor  # 0.5 s to import

        self.bias = Bias().fit(train, scale, seed=seed)
        self.user_ids, self.item_ids = np.unique(train.user), np.unique(train.item)
        x = self._features(train.user, train.item)
        y = train.rating - self.bias.predict(train.user, train.item)
        self._model = MLPRegressor(
            hidden_layer_sizes=(self.hidden,),
            alpha=self.alpha,
            batch_size=min(self.batch, len(y)),
            learning_rate_init=self.rate,
            random_state=seed,
        )
        with threadpool_limits(1):
            for epoch in range(self.epochs):  # one call is one epoch; between them it can be stopped
                self._model.partial_fit(x, y)
                on_progress(epoch + 1, self.epochs)
        return self

    def _features(self, users: Ids, items: Ids) -> Any:
        """One-hot user and item; an id never seen has no column (n × users + items)."""
        rows, columns, start = [], [], 0
        for ids, requested in ((self.user_ids, users), (self.item_ids, items)):
            index = find_rows(ids, requested)
            known = np.flatnonzero(index >= 0)
            rows.append(known)
            columns.append(index[known] + start)
            start += len(ids)
        row, column = np.concatenate(rows), np.concatenate(columns)
        return sparse.csr_matrix((np.ones(len(row)), (row, column)), (len(users), start))

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        with threadpool_limits(1):
            residuals = self._model.predict(self._features(users, items))
        return self.bias.predict(users, items) + residuals


SPECS = (
    PredictorSpec(
        "ncf",
        "NCF (MLP tower)",
        "the MLP tower of NeuMF on scikit-learn, fitted on the residuals of the biases; without the GMF tower",
        order=6,
        create=NCF,
        slow=True,
    ),
)
