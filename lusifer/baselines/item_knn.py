"""Item-based nearest neighbours on what the biases leave.

Sarwar et al. 2001, "Item-based Collaborative Filtering Recommendation Algorithms", with the baseline offsets and the
shrunk similarities of Koren 2010, "Factor in the Neighbors", section 2.2.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lusifer.baselines.bias import Bias
from lusifer.baselines.means import find_rows
from lusifer.baselines.predictor import Ids, PredictorSpec, Scores
from lusifer.baselines.side_information import Matrix
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress

CHUNK = 512
"""Pairs of one user that are scored together: pairs × items × 8 bytes of memory."""


class ItemKNN:
    """The user's ratings of the items most similar to the one asked for, around the biases.

    With residuals r of the damped biases, two items that n users rated both have the similarity

        s_ij = r_i · r_j / (|r_i| |r_j|) · n / (n + shrinkage),

    whose norms are over all raters of an item, not the common ones: a few common raters so count for little. What is
    unlike counts for nothing. The prediction is bias + Σ s_ij r_uj / (Σ s_ij + damping) over the ``neighbours`` items j
    of the user that are most similar. Settings found on u1's training part.
    """

    def __init__(self, neighbours: int = 40, shrinkage: float = 30.0, damping: float = 0.1) -> None:
        self.neighbours, self.shrinkage, self.damping = neighbours, shrinkage, damping

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        on_progress(0, 1)
        self._bias = Bias().fit(train, scale, seed=seed)
        residual = train.rating - self._bias.predict(train.user, train.item)
        self._user_ids, user = np.unique(train.user, return_inverse=True)
        self._item_ids, item = np.unique(train.item, return_inverse=True)
        shape = (len(self._user_ids), len(self._item_ids))
        self._residuals = sparse.csr_matrix((residual, (user, item)), shape)
        self._similarity = self._similarities(sparse.csr_matrix((np.ones(len(train)), (user, item)), shape))
        on_progress(1, 1)
        return self

    def _similarities(self, rated: Matrix) -> Matrix:
        """Similarities above 0 of all pairs of items, none of an item with itself (items × items)."""
        common = (rated.T @ rated).tocsr()
        common.data /= common.data + self.shrinkage
        products = self._residuals.T @ self._residuals
        norms = sparse.diags(1 / np.sqrt(np.maximum(products.diagonal(), 1e-12)))
        found = norms @ products.multiply(common).tocsr() @ norms
        found.setdiag(0.0)
        found.data[found.data < 0] = 0.0
        found.eliminate_zeros()
        return found

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        scores = self._bias.predict(users, items)
        user, item = find_rows(self._user_ids, users), find_rows(self._item_ids, items)
        order = np.argsort(user, kind="stable")
        order = order[(user[order] >= 0) & (item[order] >= 0)]
        for rows in np.split(order, np.flatnonzero(np.diff(user[order])) + 1) if len(order) else []:
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                scores[part] += self._deviations(int(user[part[0]]), item[part])
        return scores

    def _deviations(self, user: int, items: NDArray[np.int64]) -> Scores:
        """What the neighbours of some items (rows of the matrix) add to one user's bias."""
        mine = self._residuals[user]
        weights = self._similarity[items].toarray()[:, mine.indices]
        if weights.shape[1] > self.neighbours:
            last = weights.shape[1] - self.neighbours
            weights[weights < np.partition(weights, last, axis=1)[:, [last]]] = 0.0
        added: Scores = weights @ mine.data / (weights.sum(axis=1) + self.damping)
        return added


SPECS = (
    PredictorSpec(
        "item-knn",
        "Item kNN",
        "40 nearest items by shrunk cosine of the residuals of the biases, own implementation on scipy",
        order=4,
        create=ItemKNN,
        slow=True,
    ),
)
