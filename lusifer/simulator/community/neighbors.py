"""The users most like one: what they say of an item."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lusifer.baselines import SideInformation
from lusifer.datasets import RatingTable

NEIGHBOR_COUNT = 20
SIMILARITY_DAMPING, NEIGHBOR_DAMPING = 25.0, 1.0
"""Common items' worth of doubt in a similarity; weight of "no deviation" among the neighbours."""

Columns = dict[str, NDArray[np.float64]]
"""Of n pairs: ``base`` (mean of the training part), ``user`` and ``item`` (damped offsets), ``habit``
(n × levels: log of how much more often than everybody the user gives each rating, damped), ``user_count``,
``item_count``, ``item_mean`` (damped), ``item_spread``; with the costly part also ``near`` (mean deviation of the most
similar users who rated it, shrunk), ``near_count``, ``near_mean`` (their mean rating, NaN without any), ``machine``
(the factorisation machines' estimate), ``chances`` (n × levels)."""


class UserNeighbors:
    """For any pair, the users most like this one who rated the item.

    Cosine of what the biases leave, over the items that both rated, shrunk by how many these are.
    """

    def __init__(self, side: SideInformation, train: RatingTable, residual: NDArray[Any]) -> None:
        self.side = side
        user, item = side.user_rows(train.user), side.item_rows(train.item)
        shape = (len(side.users), len(side.items))
        self.x = sparse.csr_matrix((residual, (user, item)), shape)
        self.rating = sparse.csr_matrix((train.rating.astype(float), (user, item)), shape).tocsc()
        self.met, self.square = self.x.copy(), self.x.multiply(self.x).tocsr()
        self.met.data[:] = 1.0
        self.columns = self.x.tocsc()
        self.doubt = SIMILARITY_DAMPING * float(np.mean(residual**2)) if len(residual) else 1.0

    def similarity(self, user: int) -> NDArray[np.float64]:
        """Likeness of every user to one (by position), 0 for the unlike and for itself."""
        # A dense vector: a sparse one costs several times as much, and the sums are the same to the last bit.
        own_residuals, square, met = (m[user].toarray().ravel() for m in (self.x, self.square, self.met))
        dot, mine_on_theirs, theirs_on_mine = self.x @ own_residuals, self.met @ square, self.square @ met
        found = dot / (np.sqrt(mine_on_theirs * theirs_on_mine) + self.doubt)
        found[user] = 0.0
        return np.maximum(found, 0.0)

    def deviations_for(self, users: NDArray[Any], items: NDArray[Any]) -> Columns:
        """``near``, ``near_count``, ``near_mean`` of pairs."""
        user, item = self.side.user_rows(users), self.side.item_rows(items)
        near, count, mean = np.zeros(len(user)), np.zeros(len(user)), np.full(len(user), np.nan)
        for target in np.unique(user):
            similarities = self.similarity(int(target))
            for row in np.flatnonzero(user == target):
                raters = slice(self.columns.indptr[item[row]], self.columns.indptr[item[row] + 1])
                weights = similarities[self.columns.indices[raters]]
                top = np.argsort(-weights, kind="stable")[:NEIGHBOR_COUNT]
                top = top[weights[top] > 0]
                if not len(top):
                    continue
                w = weights[top]
                near[row] = w @ self.columns.data[raters][top] / (w.sum() + NEIGHBOR_DAMPING)
                count[row] = len(top)
                mean[row] = self.rating.data[raters][top].mean()
        return {"near": near, "near_count": count, "near_mean": mean}
