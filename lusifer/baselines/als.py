"""Explicit alternating least squares on what the biases leave (Koren, Bell and Volinsky 2009, eq. 4–5)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lusifer.baselines.bias import Bias
from lusifer.baselines.means import find_rows
from lusifer.baselines.predictor import Ids, PredictorSpec, Scores
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress


class ALS:
    """Damped biases first, then factors of the residual, users and items in turn, in closed form.

    Ours, since no library with wheels alone does explicit ratings. Settings found on u1's training part.
    """

    def __init__(self, factors: int = 10, regularisation: float = 10.0, iterations: int = 10) -> None:
        self.factors, self.regularisation, self.iterations = factors, regularisation, iterations

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        self.bias = Bias().fit(train, scale, seed=seed)
        residual = train.rating - self.bias.predict(train.user, train.item)
        self.user_ids, user = np.unique(train.user, return_inverse=True)
        self.item_ids, item = np.unique(train.item, return_inverse=True)
        rng = np.random.default_rng(seed)
        self.users = np.zeros((len(self.user_ids), self.factors))
        self.items = rng.normal(0, 0.1, (len(self.item_ids), self.factors))
        by_user, by_item = _groups(user, item, residual), _groups(item, user, residual)
        with threadpool_limits(1):  # the systems are tiny: two threads only wait for each other
            for iteration in range(self.iterations):
                self._solve(by_user, self.items, self.users)
                self._solve(by_item, self.users, self.items)
                on_progress(iteration + 1, self.iterations)
        return self

    def _solve(self, groups: list[Any], fixed: NDArray[Any], solved: NDArray[Any]) -> None:
        """Ridge regression of every row of ``solved`` on the ``fixed`` rows that it met."""
        eye = self.regularisation * np.eye(self.factors)
        gram = np.empty((len(solved), self.factors, self.factors))
        right = np.empty((len(solved), self.factors))
        for row, (others, values) in enumerate(groups):
            met = fixed[others]
            gram[row], right[row] = met.T @ met + eye, met.T @ values
        solved[:] = np.linalg.solve(gram, right[:, :, None])[:, :, 0]

    def item_factors(self, items: Ids) -> NDArray[np.float64]:
        """Factors of items (n × factors); zeros for an item never seen."""
        return _rows(self.item_ids, self.items, items)

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        user, item = _rows(self.user_ids, self.users, users), self.item_factors(items)
        return self.bias.predict(users, items) + np.einsum("nk,nk->n", user, item)


def _groups(ids: NDArray[Any], others: NDArray[Any], values: NDArray[Any]) -> list[Any]:
    order = np.argsort(ids, kind="stable")
    ends = np.cumsum(np.bincount(ids))[:-1]
    return list(zip(np.split(others[order], ends), np.split(values[order], ends), strict=True))


def _rows(ids: NDArray[Any], factors: NDArray[Any], requested: NDArray[Any]) -> NDArray[np.float64]:
    rows = find_rows(ids, requested)
    return np.where((rows < 0)[:, None], 0.0, factors[rows])


SPECS = (
    PredictorSpec(
        "als",
        "ALS",
        "explicit ALS on the residuals of the biases, own implementation",
        order=7,
        create=ALS,
        is_agent=True,
    ),
)
